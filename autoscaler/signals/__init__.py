"""Where the load is read from."""
