"""`/metrics`, and `/livez` where asked for, on a port of their own: never the one that the public reaches."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from service.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10  # whoever connects and says nothing

    def log_message(self, *args: Any) -> None:
        """A scrape each few seconds is no news."""


@contextmanager
def served(host: str, port: int, registry: CollectorRegistry, is_live: Callable[[], bool]) -> Iterator[None]:
    """Serve until the end of the block; port 0: nowhere. Raises ConfigurationError where the port is not to be had."""
    if not port:
        yield
        return
    try:
        server = make_server(host, port, _app(registry, is_live), _Server, _Quiet)
    except OSError as error:
        raise ConfigurationError(f"LIKEWISE_METRICS_PORT: can't listen at {host}:{port}: {error.strerror}") from error
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _app(registry: CollectorRegistry, is_live: Callable[[], bool]) -> "WSGIApplication":
    metrics = make_wsgi_app(registry)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        status = "404 Not Found"
        if path == "/livez":
            status = "200 OK" if is_live() else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [status.encode() + b"\n"]

    return answer
