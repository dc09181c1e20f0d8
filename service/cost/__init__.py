"""Compute what likes cost: read price files, and size an installation for a rate of likes."""
