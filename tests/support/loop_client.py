"""A test client whose requests go through the event loop of a worker, over a socket, in this process."""

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote

import gevent.socket
from flask.testing import FlaskClient
from gunicorn.config import Config
from gunicorn.glogging import Logger
from werkzeug.datastructures import Headers

from service.bootstrap.runtime import runtime_of
from service.server.worker import Worker

LISTENER = ("127.0.0.1", 8000)
_PLAIN = "/:@!$&'()*+,;=~%"


@contextmanager
def loop_worker(app: Any) -> Iterator[Worker]:
    """Yield a worker of the app that listens nowhere. Its loop runs while this thread waits in gevent."""
    config = Config()
    config.set("limit_request_line", 0)
    worker = Worker(0, os.getppid(), [], None, 30, config, Logger(config))
    worker.wsgi = app
    worker.alive = True
    runtime = runtime_of(app)
    assert runtime
    worker.start_loop(runtime)
    try:
        yield worker
    finally:
        worker.alive = False
        worker._ticker.close()
        worker.tmp.close()
        for connection in list(worker._connections):
            connection.close()


def open_connection(worker: Worker, address: str = "127.0.0.1") -> Any:
    """Return the client's end of a connection to the worker, as a socket of gevent."""
    ours, theirs = socket.socketpair()
    worker.connect(theirs, (address, 4711), LISTENER)
    return gevent.socket.socket(ours.family, ours.type, fileno=ours.detach())


class LoopClient(FlaskClient):
    """Sends each request as bytes over a connection of its own."""

    def run_wsgi_app(self, environ: dict[str, Any], buffered: bool = False) -> tuple[Iterable[bytes], str, Headers]:
        """Return the response to the request that the environ describes."""
        self._add_cookies_to_wsgi(environ)
        method = environ["REQUEST_METHOD"]
        address = environ.get("REMOTE_ADDR") or "127.0.0.1"
        with loop_worker(self.application) as worker, open_connection(worker, address) as line:
            line.sendall(_request_bytes(environ))
            response = HTTPResponse(line, method=method)
            response.begin()
            body = response.read()
        headers = Headers([pair for pair in response.getheaders() if pair[0] not in {"Date", "Server", "Connection"}])
        self._update_cookies_from_response("localhost", environ["PATH_INFO"], headers.getlist("Set-Cookie"))
        return [body], f"{response.status} {response.reason}", headers


def _request_bytes(environ: dict[str, Any]) -> bytes:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    target = environ.get("REQUEST_URI") or quote(environ["PATH_INFO"].encode("latin-1"), safe=_PLAIN)
    if "?" not in target and environ.get("QUERY_STRING"):
        target += f"?{environ['QUERY_STRING']}"
    fields = {
        name[len("HTTP_") :].replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    fields |= {
        name: environ[key]
        for name, key in (("Content-Type", "CONTENT_TYPE"), ("Content-Length", "CONTENT_LENGTH"))
        if environ.get(key)
    }
    lines = [
        f"{environ['REQUEST_METHOD']} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in fields.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + body
