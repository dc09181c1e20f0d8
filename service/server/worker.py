"""A gunicorn worker whose connections live on gevent's event loop, and whose shutdown loses no request.

See docs/explanation/worker.md.
"""

import time
from typing import Any

import gevent
from gevent import get_hub
from gevent.event import Event
from gunicorn.workers.ggevent import GeventWorker

from service.bootstrap.runtime import Runtime, runtime_of
from service.observability.traffic_counter import TrafficCounter
from service.server.acceptor import Acceptor
from service.server.connection import Connection

# A proxy that does not know of the shutdown yet still sends requests. It detects the shutdown by /readyz, by
# `Connection: close`, or when the listener closes. In a pod, the preStop hook waits for proxies; this is a margin.
ACCEPT_S = 1.0
LINGER_S = 2.0
# The keep-alive time is for idle clients as well. If it is 0, a response ends its connection, and others get this.
_IDLE_S = 75.0
_HEARTBEAT_S = 1.0
# Metrics are published, and a silent Redis is given up, this often.
_TICK_S = 0.05
_DRAIN_STEP_S = 0.05
_MAX_ACCEPTS_AT_ONCE = 100


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves connections until a signal stops it, or it has served `max_requests`."""

    def init_process(self) -> None:
        """Set up the worker. gunicorn lets gevent patch the interpreter in here, and then loads the application."""
        self._stop_requested = Event()
        self.traffic = TrafficCounter()
        super().init_process()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Handle SIGTERM: the pod ends, or gunicorn replaces this worker."""
        self.alive: bool = False
        self._stop_requested.set()

    def run(self) -> None:
        """Serve until told to stop, then drain the connections. With TLS or the PROXY protocol, gunicorn serves."""
        runtime = runtime_of(self.wsgi)
        if runtime:
            self.traffic = runtime.traffic
        if runtime is None or self.cfg.is_ssl or self.cfg.proxy_protocol != "off":
            super().run()
            return
        self.start_loop(runtime)
        while self.alive:
            self.notify()
            self._close_stuck()
            self._acceptor.listen()
            self._stop_requested.wait(_HEARTBEAT_S)
        self._drain(runtime.stop)
        self._ticker.stop()

    def start_loop(self, runtime: Runtime) -> None:
        """Accept and answer connections in callbacks of the event loop from now on."""
        self.loop = get_hub().loop
        self.keeps_alive = bool(self.cfg.keepalive)
        self.loop_api, self.traffic = runtime.loop_api, runtime.traffic
        self._connections: set[Connection] = set()
        self._next: list[Connection] = []
        self._next_turn = self.loop.timer(0)
        self._ticker = self.loop.timer(_TICK_S, _TICK_S, ref=False)
        self._ticker.start(self._tick)
        at_once = 1 if self.cfg.workers > 1 else _MAX_ACCEPTS_AT_ONCE
        self._acceptor = Acceptor(self.sockets, self.connect, self._has_room, at_once=at_once)
        self._acceptor.listen()

    def connect(self, sock: Any, addr: Any, listener_name: Any) -> None:
        """Serve a connection that was accepted."""
        self._connections.add(Connection(self, sock, addr, listener_name))

    def next_turn(self, connection: Connection) -> None:
        """Begin the connection's next request in the next turn of the loop, after what is ready on others."""
        if not self._next:
            self._next_turn.start(self._begin_next)
        self._next.append(connection)

    def forget(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self._connections.discard(connection)
        if self.alive:
            self._acceptor.listen()

    def count_request(self) -> None:
        """Count a request that arrived, also towards `max_requests` as gunicorn does."""
        self.traffic.arrived += 1
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request that gunicorn has parsed, and count it."""
        self.traffic.arrived += 1
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            self.traffic.answered += 1

    @property
    def idle_s(self) -> float:
        """The time for which a client may neither send nor read."""
        return float(self.cfg.keepalive or _IDLE_S if self.alive else LINGER_S)

    def timeout_ctx(self) -> gevent.Timeout:
        """Return the time within which the head of a request must have been read."""
        return gevent.Timeout(self.idle_s, False)

    def _has_room(self) -> bool:
        return bool(len(self._connections) < self.worker_connections)

    def _begin_next(self) -> None:
        connections, self._next = self._next, []
        for connection in connections:
            connection.begin_next()

    def _tick(self) -> None:
        try:
            self.loop_api.tick()
        except Exception:
            # It must not leave the callback, or gevent would stop the timer.
            self.log.exception("Error in the event loop")

    def _close_stuck(self) -> None:
        since = time.monotonic() - self.idle_s
        for connection in list(self._connections):
            connection.close_if_stuck(since)

    def _drain(self, stop: Any) -> None:
        """Answer requests that still arrive, with `Connection: close`. Then end idle connections, then the others."""
        began = time.monotonic()
        if self._stop_requested.is_set():
            stop()
            gevent.sleep(ACCEPT_S)
        self._acceptor.close()
        while self._connections and time.monotonic() - began < self.cfg.graceful_timeout:
            self.notify()
            if time.monotonic() - began >= LINGER_S:
                for connection in list(self._connections):
                    connection.close_if_idle()
            gevent.sleep(_DRAIN_STEP_S)
        if self._connections:
            unfinished, timeout_s = len(self._connections), self.cfg.graceful_timeout
            self.log.warning("%s connections were still busy after %s s", unfinished, timeout_s)
