"""The gunicorn entry point: `service.wsgi:app`, configured by the environment."""

from service.app import create_app
from service.cli import configure_logs, settings_from_environment

configure_logs()
app = create_app(settings_from_environment())
