"""The entry point for gunicorn: `service.server.wsgi:app`, configured by the environment."""

import sys

from service.bootstrap.app import create_app
from service.errors import LikewiseError
from service.observability.logging import configure_logs
from service.settings import settings_from_environment

# This exit code tells gunicorn that another attempt would also fail.
_APP_LOAD_ERROR = 4

configure_logs()
try:
    app = create_app(settings_from_environment())
except LikewiseError as error:
    # The log is JSON. This line is for people.
    print(f"Likewise can't start: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(_APP_LOAD_ERROR)
