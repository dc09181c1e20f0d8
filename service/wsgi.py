"""The gunicorn entry point: `service.wsgi:app`, configured by the environment."""

from service.app import create_app
from service.cli import settings_from_environment

app = create_app(settings_from_environment())
