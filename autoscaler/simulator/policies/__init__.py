"""The policies that are compared."""
