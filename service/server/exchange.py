"""One request of a connection, from its head to its answer."""

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Protocol

import gevent
from gunicorn import util

from service.errors import LikewiseError
from service.server.request_head import RequestHead
from service.server.response import Headers, response_bytes, without_length

# Keys of the environ; service.api.http has the same.
_BEGAN, _ERROR = "likewise.began", "likewise.error"
_PROBLEM_HEADERS = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))
_INTERNAL_ERROR = b'{"type":"about:blank","title":"Internal Server Error","status":500}'


class Transport(Protocol):
    """The connection of a request. `peer` is the client's address, empty on a Unix socket."""

    worker: Any
    peer: str

    def send(self, data: bytes, *, stays_open: bool) -> None:
        """Send the response."""

    def base_environ(self) -> dict[str, Any]:
        """Return what all requests of the connection have in common (PEP 3333)."""


class Exchange:
    """Implements `service.api.loop.ports.Exchange`. It is answered exactly once."""

    __slots__ = ("_connection", "_is_broken", "began", "environ", "method", "target")

    def __init__(self, connection: Transport, head: RequestHead) -> None:
        self.began = time.perf_counter()
        self.method, self.target = head.method, head.target
        self._connection = connection
        # The connection is closed after the response.
        self._is_broken = False
        self.environ = environ = head.fields
        environ["REQUEST_METHOD"] = head.method
        environ["REMOTE_ADDR"] = connection.peer
        environ["wsgi.url_scheme"] = "http"

    def begin(self) -> None:
        """Begin to answer. A defect of this service is logged, answered with 500, and ends the connection."""
        self._connection.worker.count_request()
        try:
            if self._connection.worker.loop_api.begin(self):
                return
        except Exception as error:
            self._set_error(error)
        gevent.spawn(self._answer_by_flask)

    def respond(self, status: str, headers: Headers, body: bytes) -> None:
        """Send the response."""
        worker = self._connection.worker
        # Read once: a signal may arrive between two statements.
        stays_open = worker.alive and worker.keeps_alive and not self._is_broken
        data = response_bytes(status, headers, body, stays_open=stays_open)
        worker.traffic.answered += 1
        self._connection.send(data, stays_open=stays_open)

    def hand_over(self, error: Exception, **known: object) -> None:
        """Let Flask answer with an error, in a greenlet. `known` becomes part of the WSGI environ."""
        self.environ.update(known)
        self._set_error(error)
        gevent.spawn(self._answer_by_flask)

    def run(self, function: Callable[[], None]) -> None:
        """Run a function that may wait in a greenlet. If it raises, Flask answers with the error."""
        gevent.spawn(self._run, function)

    def wsgi_environ(self) -> dict[str, Any]:
        """Return the whole WSGI environ (PEP 3333). Later calls return the same one."""
        if "wsgi.input" not in self.environ:
            parts = util.split_request_uri(self.target)
            self.environ = {
                **self._connection.base_environ(),
                **self.environ,
                "RAW_URI": self.target,
                "PATH_INFO": util.unquote_to_wsgi_str(parts.path),
                "QUERY_STRING": parts.query,
                "wsgi.input": BytesIO(),
                _BEGAN: self.began,
            }
        return self.environ

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception as error:
            self._set_error(error)
            self._answer_by_flask()

    def _set_error(self, error: Exception) -> None:
        self.environ[_ERROR] = error
        # After a defect of this service, the state of the connection is not known.
        self._is_broken = not isinstance(error, LikewiseError)

    def _answer_by_flask(self) -> None:
        try:
            self.respond(*self._call_app())
        except Exception:
            self._is_broken = True
            self._connection.worker.log.exception("Error handling request")
            self._connection.worker.traffic.failed += 1
            self.respond("500 Internal Server Error", _PROBLEM_HEADERS, _INTERNAL_ERROR)

    def _call_app(self) -> tuple[str, Headers, bytes]:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            started[:] = status, headers

        chunks: Iterable[bytes] = self._connection.worker.wsgi(self.wsgi_environ(), start_response)
        try:
            body = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        return started[0], without_length(started[1]), body
