"""The rules of Likewise, independent of HTTP and of storage drivers."""
