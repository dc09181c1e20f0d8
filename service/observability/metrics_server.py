"""Serve `/metrics` and `/livez` on a port of their own, apart from the public one."""

import socket
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


class _IPv6Server(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        # With this option off, a socket on `::` also accepts IPv4.
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _RequestHandler(WSGIRequestHandler):
    # A client that connects and sends nothing must not keep its thread.
    timeout = 10

    def log_message(self, *args: Any) -> None:
        """Log nothing: scrapes and probes come every few seconds."""


@contextmanager
def serve_metrics(
    host: str,
    port: int,
    registry: CollectorRegistry,
    is_live: Callable[[], bool],
    *,
    variable: str = "LIKEWISE_METRICS_PORT",
) -> Iterator[socket.socket | None]:
    """Serve until the end of the block, and yield the listening socket. Port 0 serves nothing and yields None.

    The host `::` or `[::]` listens on IPv6 and IPv4. Raises ConfigurationError, which names `variable`, if the port
    cannot be bound.
    """
    if not port:
        yield None
        return
    try:
        server = _bind(host.removeprefix("[").removesuffix("]"), port, _create_app(registry, is_live))
    except OSError as error:
        raise ConfigurationError(f"{variable}: can't listen at {host}:{port}: {error.strerror}") from error
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.socket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bind(host: str, port: int, app: "WSGIApplication") -> WSGIServer:
    if host == "::" and not socket.has_dualstack_ipv6():
        # The kernel has no IPv6, so listen on IPv4 only.
        host = "0.0.0.0"  # noqa: S104
    return make_server(host, port, app, _IPv6Server if ":" in host else _Server, _RequestHandler)


def _create_app(registry: CollectorRegistry, is_live: Callable[[], bool]) -> "WSGIApplication":
    metrics = make_wsgi_app(registry)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        status = "404 Not Found"
        if path == "/livez":
            status = "200 OK" if is_live() else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [status.encode() + b"\n"]

    return app
