"""A gunicorn worker on gevent, with a fast path for likes and counts, and a graceful shutdown that loses no request."""

import errno
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.workers.ggevent import GeventWorker

from service.bootstrap.runtime import runtime_of
from service.server.fast_connection import FastConnection

# A proxy that does not know of the shutdown yet still sends requests. It detects the shutdown by /readyz, by
# `Connection: close`, or when the listener closes. In a pod, the preStop hook waits for proxies; this is a margin.
ACCEPT_S = 1.0
LINGER_S = 2.0
_HEARTBEAT_S = 1.0
_IPV4_MAPPED = "::ffff:"
_DISCONNECTED = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})


@dataclass(frozen=True, slots=True)
class _ListenerName:
    """The part of a listener that gunicorn reads."""

    name: Any

    def getsockname(self) -> Any:
        return self.name


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves connections until a signal stops it, or it has served `max_requests`."""

    def init_process(self) -> None:
        """Set up the worker. gunicorn lets gevent patch the interpreter in here, and then loads the application."""
        self._stop_requested = Event()
        self._connections: set[FastConnection] = set()
        super().init_process()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Handle SIGTERM: the pod ends, or gunicorn replaces this worker."""
        self.alive: bool = False
        self._stop_requested.set()

    def run(self) -> None:
        """Serve until told to stop, then drain the connections."""
        if self.cfg.is_ssl:
            super().run()
            return
        pool = Pool(self.worker_connections)
        servers = [self._server(listener, pool) for listener in self.sockets]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            self._stop_requested.wait(_HEARTBEAT_S)
        self._drain(servers, pool)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection until either side closes it."""
        addr = _without_ipv4_mapping(addr)
        runtime = runtime_of(self.wsgi)
        if runtime is None or self.cfg.is_ssl or not self.cfg.keepalive or not isinstance(addr, tuple):
            super().handle(listener, client, addr)
            return
        client.setblocking(1)
        connection = FastConnection(self, runtime.fast_path, listener, client, addr)
        self._connections.add(connection)
        try:
            connection.serve()
        except OSError as error:
            if error.errno not in _DISCONNECTED:
                self.log.exception("Socket error processing request.")
        except Exception:
            self.log.exception("Error handling request")
        finally:
            self._connections.discard(connection)
            util.close(client)

    def timeout_ctx(self) -> gevent.Timeout:
        """Return the time for which a connection may be idle."""
        return gevent.Timeout(self.cfg.keepalive if self.alive else LINGER_S, False)

    def count_request(self) -> None:
        """Count a request towards `max_requests`, as gunicorn does."""
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False

    def _server(self, listener: Any, pool: Pool) -> StreamServer:
        listener.setblocking(1)
        # By name: the connection that was accepted last may begin after the listener is closed.
        server = StreamServer(listener, handle=partial(self.handle, _ListenerName(listener.getsockname())), spawn=pool)
        if self.cfg.workers > 1:
            server.max_accept = 1
        return server

    def _drain(self, servers: list[StreamServer], pool: Pool) -> None:
        """Answer requests that still arrive, with `Connection: close`. Then end idle connections, then the others."""
        began = time.monotonic()
        if self._stop_requested.is_set():
            self._mark_not_ready()
            gevent.sleep(ACCEPT_S)
        for server in servers:
            _close(server)
        pool.join(LINGER_S - ACCEPT_S)
        for connection in list(self._connections):
            connection.close_if_idle()
        while pool and time.monotonic() - began < self.cfg.graceful_timeout:
            self.notify()
            pool.join(_HEARTBEAT_S)
        if pool:
            self.log.warning("%s connections were still busy after %s s", len(pool), self.cfg.graceful_timeout)
            pool.kill(timeout=1)

    def _mark_not_ready(self) -> None:
        if runtime := runtime_of(self.wsgi):
            runtime.stop()


def _without_ipv4_mapping(addr: Any) -> Any:
    """Return an IPv4 client of a dual-stack listener by its IPv4 address, not as ::ffff:1.2.3.4."""
    if isinstance(addr, tuple) and addr[0].startswith(_IPV4_MAPPED):
        return (addr[0].removeprefix(_IPV4_MAPPED), addr[1])
    return addr


def _close(server: StreamServer) -> None:
    """Stop listening. Connections that the kernel has already accepted are served, not reset."""
    server.stop_accepting()
    while not server.full() and (accepted := server.do_read()):
        server.do_handle(*accepted)
    server.close()
