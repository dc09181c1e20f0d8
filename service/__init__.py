"""The back end of the like button: API, flusher and commands."""
