"""The ways in by HTTP: gunicorn, its worker and its configuration."""
