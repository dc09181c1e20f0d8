"""Serve the API over HTTP: gunicorn, its worker class and its configuration."""
