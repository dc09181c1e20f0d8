"""The gunicorn entry point: `service.server.wsgi:app`, configured by the environment."""

import sys

from service.bootstrap.app import create_app
from service.errors import LikewiseError
from service.observability.logging import configure_logs
from service.settings import settings_from_environment

_APP_LOAD_ERROR = 4  # by which gunicorn knows that another try would end the same

configure_logs()
try:
    app = create_app(settings_from_environment())
except LikewiseError as error:
    print(f"Likewise can't start: {error}", file=sys.stderr)  # noqa: T201 - for people, and before there is a log
    sys.exit(_APP_LOAD_ERROR)
