"""A like without Flask: the same rules for a third of the cost. Whatever is unusual goes the usual way.

Here are requests as buttons and servers send them: PUT or DELETE of `/v1/posts/{post}/like`, nothing encoded in the
path, no query and no body. The contract suite runs with and without this.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from service.api.answers import viewers_body
from service.api.display import preferred_locale
from service.api.metrics import count_wish, observe_like
from service.api.visits import ERROR, VISIT, cors_headers
from service.errors import LikewiseError
from service.likes import Likes, valid_id
from service.security.viewer import Viewers, Visit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PATH = re.compile(r"/v1/posts/([A-Za-z0-9._:~/-]+)/like")
_LINES = {200: "200 OK", 201: "201 CREATED"}


class HotPath:
    """WSGI around the Flask application, which answers what is unusual, and errors."""

    def __init__(self, app: "WSGIApplication", likes: Likes, viewers: Viewers) -> None:
        self.app = app
        self._likes = likes
        self._viewers = viewers

    def takes(self, method: str, target: str) -> bool:
        """Whether a request without a body, for this path and query as sent, is answered here."""
        return method != "GET" and _PATH.fullmatch(target) is not None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in {"PUT", "DELETE"} or _has_body(environ):
            return self.app(environ, start_response)
        found = _PATH.fullmatch(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
        if found is None:
            return self.app(environ, start_response)
        began = time.perf_counter()
        try:
            environ[VISIT] = visit = self._viewers.arrive(environ)
            status, body = self._wish(method, valid_id(found[1], "post"), visit, environ)
        except LikewiseError as error:
            environ[ERROR] = error
            return self.app(environ, start_response)
        observe_like(time.perf_counter() - began)
        start_response(_LINES[status], self._headers(visit, environ, body))
        return [body]

    def _wish(self, method: str, post: str, visit: Visit, environ: "WSGIEnvironment") -> tuple[int, bytes]:
        if method == "PUT":
            standing = count_wish(self._likes.like(post, visit.liking()))
            status = 201 if standing.changed else 200
        elif actor := visit.unliking():
            standing, status = count_wish(self._likes.unlike(post, actor)), 200
        else:
            standing, status = self._likes.counts([post])[0], 200
        return status, viewers_body(standing, preferred_locale(environ.get("HTTP_ACCEPT_LANGUAGE", "")))

    def _headers(self, visit: Visit, environ: "WSGIEnvironment", body: bytes) -> list[tuple[str, str]]:
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Vary", "Accept-Language"),
        ]
        headers += visit.hand_back()
        if origin := environ.get("HTTP_ORIGIN"):
            headers += cors_headers(self._viewers, origin)
        return headers


def _has_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"0", ""} or "HTTP_TRANSFER_ENCODING" in environ
