"""Route post ids in paths. An id may hold slashes, plain or encoded, and reaches `validate_id` unchanged."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes

from flask import Flask
from werkzeug.routing import BaseConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASH_OR_PERCENT = re.compile("%(2f|25)", re.IGNORECASE)
_ORIGIN = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")


class PostConverter(BaseConverter):
    """Matches any text, even empty text. `service.core.likes.validate_id` checks it."""

    part_isolating = False
    regex = "(?s:.*)"

    def to_python(self, value: str) -> str:
        """Return the id. Bytes that are not UTF-8 become U+FFFD, which is not valid in an id."""
        return unquote(value)

    def to_url(self, value: str) -> str:
        """Raise NotImplementedError: this service builds no URLs."""
        raise NotImplementedError


class RawPath:
    """WSGI middleware that routes on the path as it was sent.

    WSGI's PATH_INFO is decoded, so `/v1/posts/a%2Flike` would be the like of `a`. Only `%2F` and `%25` stay as sent.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Correct PATH_INFO, and call the application."""
        sent = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        if "%" in sent and not environ.get("SCRIPT_NAME"):
            path = _ORIGIN.sub("", sent).partition("?")[0]
            kept = _SLASH_OR_PERCENT.sub(lambda found: "%25" + found[1], path)
            environ["PATH_INFO"] = unquote_to_bytes(kept.encode("latin-1")).decode("latin-1")
        elif "%" in environ.get("PATH_INFO", ""):
            # The path was decoded once, so a percent sign that is left belongs to the id.
            environ["PATH_INFO"] = environ["PATH_INFO"].replace("%", "%25")
        return self._app(environ, start_response)


def register_routing(app: Flask) -> None:
    """Make the app route on paths as sent, without a redirect to another spelling."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    app.url_map.converters["post"] = PostConverter
    app.wsgi_app = RawPath(app.wsgi_app)  # type: ignore[method-assign]
