"""gunicorn's gevent worker with a lane of its own for likes and counts, and a way to go that loses no request."""

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
from service.server.connection import Connection

# What a proxy does not know yet, it still sends here. It learns of the end by /readyz, by `Connection: close`, or by
# the listener's end; the time left to it is a margin, as a pod's preStop has told it long before.
ACCEPT_S = 1.0
LINGER_S = 2.0
_HEARTBEAT_S = 1.0
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})


@dataclass(frozen=True, slots=True)
class _Named:
    """What gunicorn asks of a listener."""

    name: Any

    def getsockname(self) -> Any:
        return self.name


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves connections until it is told to stop, or has answered `max_requests`."""

    def init_process(self) -> None:
        """Before the application is loaded: gunicorn patches sockets and threads in here."""
        self._told = Event()
        self._connections: set[Connection] = set()
        super().init_process()

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM: the pod ends, or gunicorn has another worker in this one's place."""
        self.alive: bool = False
        self._told.set()

    def run(self) -> None:
        """Serve until told to stop, then part with each connection."""
        if self.cfg.is_ssl:
            super().run()
            return
        pool = Pool(self.worker_connections)
        servers = [self._server(listener, pool) for listener in self.sockets]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            self._told.wait(_HEARTBEAT_S)
        self._part(servers, pool)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection, until either side ends it."""
        runtime = runtime_of(self.wsgi)
        if runtime is None or self.cfg.is_ssl or not self.cfg.keepalive or not isinstance(addr, tuple):
            super().handle(listener, client, addr)
            return
        client.setblocking(1)
        connection = Connection(self, runtime.fast_path, listener, client, addr)
        self._connections.add(connection)
        try:
            connection.serve()
        except OSError as error:
            if error.errno not in _GONE:
                self.log.exception("Socket error processing request.")
        except Exception:
            self.log.exception("Error handling request")
        finally:
            self._connections.discard(connection)
            util.close(client)

    def timeout_ctx(self) -> gevent.Timeout:
        """How long a connection may be idle."""
        return gevent.Timeout(self.cfg.keepalive if self.alive else LINGER_S, False)

    def count_request(self) -> None:
        """As gunicorn does: a worker may be told to end after so many."""
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False

    def _server(self, listener: Any, pool: Pool) -> StreamServer:
        listener.setblocking(1)
        # By name: a connection that was accepted last may begin when the listener is closed already.
        server = StreamServer(listener, handle=partial(self.handle, _Named(listener.getsockname())), spawn=pool)
        if self.cfg.workers > 1:
            server.max_accept = 1
        return server

    def _part(self, servers: list[StreamServer], pool: Pool) -> None:
        """Answer what still arrives, telling each connection that it ends; then end the idle ones, then the rest."""
        began = time.monotonic()
        if self._told.is_set():
            self._say_stopping()
            gevent.sleep(ACCEPT_S)
        for server in servers:
            _close(server)
        pool.join(LINGER_S - ACCEPT_S)
        for connection in list(self._connections):
            connection.hang_up()
        while pool and time.monotonic() - began < self.cfg.graceful_timeout:
            self.notify()
            pool.join(_HEARTBEAT_S)
        if pool:
            self.log.warning("%s connections were still busy after %s s", len(pool), self.cfg.graceful_timeout)
            pool.kill(timeout=1)

    def _say_stopping(self) -> None:
        if runtime := runtime_of(self.wsgi):
            runtime.stop()


def _close(server: StreamServer) -> None:
    """Stop listening; connections that the kernel has already accepted for us are served, not reset."""
    server.stop_accepting()
    while not server.full() and (accepted := server.do_read()):
        server.do_handle(*accepted)
    server.close()
