"""A like without Flask: the same rules for a third of the cost. Whatever is unusual goes the usual way.

Here are requests as buttons and servers send them: PUT or DELETE of `/v1/posts/{post}/like`, nothing encoded in the
path, no query and no body. The contract suite runs with and without this.
"""

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from socket import socket
from typing import TYPE_CHECKING

from gunicorn.workers.base import Worker
from gunicorn.workers.base_async import ALREADY_HANDLED

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
        self.worker: Worker | None = None  # gunicorn's, where answers may go straight to its socket
        self._likes = likes
        self._viewers = viewers

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
        headers = self._headers(visit, environ, body)
        if self.worker and self.worker.alive and _stays_open(environ):
            return _send(environ["gunicorn.socket"], _LINES[status], headers, body)
        start_response(_LINES[status], headers)
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


def _stays_open(environ: "WSGIEnvironment") -> bool:
    return environ["SERVER_PROTOCOL"] == "HTTP/1.1" and environ.get("HTTP_CONNECTION", "keep-alive") == "keep-alive"


def _send(connection: socket, line: str, headers: list[tuple[str, str]], body: bytes) -> Iterable[bytes]:
    """Answer in one write. gunicorn would make two, and check each header again."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    data = f"HTTP/1.1 {line}\r\nDate: {_date(int(time.time()))}\r\n{fields}\r\n".encode("latin-1") + body
    sent = connection.send(data)
    if sent < len(data):
        connection.sendall(data[sent:])
    return ALREADY_HANDLED  # type: ignore[return-value]  # a mark, by which gunicorn knows


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
