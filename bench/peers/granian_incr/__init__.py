"""The ASGI service of the comparison, served by Granian."""
