"""Send requests when they are due, over keep-alive connections, in one thread. A slow server does not delay it."""

import time
from collections import deque
from collections.abc import Callable

from service.loadtest.generator.distribution import LIKE
from service.loadtest.generator.http import (
    BadResponseError,
    Requests,
    Response,
    body_of,
    parse_response,
    problem_detail,
)
from service.loadtest.generator.plan import Options
from service.loadtest.generator.pool import IDLE, Address, Connection, ConnectionPool
from service.loadtest.generator.recorder import Recorder
from service.loadtest.generator.workload import Workload

_MAX_WAIT_S = 0.05
_TICK_S = 0.25

# The kind of a request, its like, and when it was due.
Job = tuple[int, int, float]


class Sender:
    """One run. `run` ends when all requests are answered, after `stop`, or `drain_s` after the last like was due."""

    def __init__(self, requests: Requests, workload: Workload, options: Options, address: Address) -> None:
        self.workload = workload
        self.recorder = Recorder(options.likes)
        # The start of the run, by the monotonic clock.
        self.started_at = 0.0
        self._requests = requests
        self._times = workload.schedule.times
        self._options = options
        self._pool = ConnectionPool(address, options.max_connections, self.recorder)
        self._on_tick: Callable[[Recorder], None] = lambda recorder: None
        # Requests in addition to the schedule: second attempts and follow-ups.
        self._queue: deque[Job] = deque()
        self._retried: set[tuple[int, int]] = set()
        self._next_tick = 0.0
        self._is_stopping = False

    def stop(self) -> None:
        """Send no more requests. `run` still waits for outstanding responses."""
        self._is_stopping = True

    def run(self, on_tick: Callable[[Recorder], None] = lambda recorder: None) -> Recorder:
        """Send everything and return what happened. `on_tick` is called a few times a second."""
        self._on_tick = on_tick
        self.started_at = time.monotonic()
        self._pool.open(min(self._options.connections, self._options.max_connections, self._options.likes))
        give_up = self.started_at + self._options.seconds + self._options.drain_s
        try:
            while not self._is_done() and (now := time.monotonic()) < give_up:
                self._tick(now)
                self._send_due(now - self.started_at)
                for connection in self._pool.wait(self._pause()):
                    self._read_ready(connection)
        finally:
            self._finish()
        return self.recorder

    def _is_done(self) -> bool:
        if self._is_stopping:
            return not self.recorder.waiting
        return self.recorder.sent == self._options.likes and not self.recorder.waiting and not self._queue

    def _finish(self) -> None:
        for kind, like in self._pool.waiting():
            self.recorder.record_unanswered(kind, like)
        for kind, like, _ in self._queue:
            if (kind, like) in self._retried:
                self.recorder.record_unanswered(kind, like)
            elif not self._is_stopping:
                self.recorder.never_sent[kind] += 1
        self.recorder.waiting = 0
        self._pool.close_all()
        self._on_tick(self.recorder)

    def _tick(self, now: float) -> None:
        if now >= self._next_tick:
            self._next_tick = now + _TICK_S
            self._on_tick(self.recorder)

    def _pause(self) -> float:
        """Return the seconds until the next like is due, or the maximum if it could not be sent then."""
        if not self._pool.has_idle or self._is_stopping or self.recorder.sent == self._options.likes:
            return _MAX_WAIT_S
        until = self.started_at + self._times[self.recorder.sent] - time.monotonic()
        return min(_MAX_WAIT_S, max(0.0, until))

    def _send_due(self, elapsed: float) -> None:
        if self._is_stopping:
            return
        pool, recorder = self._pool, self.recorder
        due = self.workload.schedule.due(elapsed)
        while pool.has_idle and (self._queue or recorder.sent < due):
            self._send(pool.take(), elapsed)
        if late := len(self._queue) + due - recorder.sent:
            pool.grow(late)

    def _send(self, connection: Connection, elapsed: float) -> None:
        self._assign(connection, elapsed)
        self.recorder.waiting += 1
        request = self._requests.build(connection.kind, connection.like)
        try:
            sent = connection.socket.send(request)
        except OSError:
            sent = 0
        self.recorder.bytes_sent += sent
        if sent < len(request):
            self._retry_or_lose(connection)

    def _assign(self, connection: Connection, elapsed: float) -> None:
        # The queue goes first, because its requests have waited longest.
        if self._queue:
            connection.kind, connection.like, connection.due = self._queue.popleft()
            self.recorder.retried += (connection.kind, connection.like) in self._retried
            return
        like = self.recorder.sent
        connection.kind, connection.like, connection.due = LIKE, like, self._times[like]
        self.recorder.sent = like + 1
        self.recorder.sent_at.append(elapsed)

    def _read_ready(self, connection: Connection) -> None:
        # A connection may have been closed while those before it were read.
        if not connection.is_open:
            return
        try:
            data = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.recorder.bytes_received += len(data)
        if connection.like == IDLE:
            # The server closed an idle connection, or sent data without a request.
            self._pool.close(connection)
        else:
            self._read(connection, data)

    def _read(self, connection: Connection, data: bytes) -> None:
        connection.data += data
        try:
            response = parse_response(connection.data, closed=not data)
        except BadResponseError:
            self._retry_or_lose(connection)
            return
        if response:
            self._handle(connection, response)
        elif not data:
            self._retry_or_lose(connection)

    def _handle(self, connection: Connection, response: Response) -> None:
        kind, like, at = connection.kind, connection.like, time.monotonic() - self.started_at
        self.recorder.waiting -= 1
        self.recorder.unknown_tokens += response.unknown_token
        retried = bool(self._retried) and (kind, like) in self._retried
        if self.recorder.record_response(kind, like, response.status, at, retried=retried):
            self._queue_follow_up(like, at)
        elif kind != LIKE:
            self.recorder.follow_up_s.append(at - connection.due)
        if response.status not in (200, 201):
            self.recorder.details.setdefault(response.status, problem_detail(body_of(connection.data)))
        if response.keep_alive:
            self._pool.put(connection)
        else:
            self._pool.close(connection)

    def _queue_follow_up(self, like: int, at: float) -> None:
        if (kind := self.workload.follow_ups[like]) and not self._is_stopping:
            self._queue.append((kind, like, at))

    def _retry_or_lose(self, connection: Connection) -> None:
        job = connection.kind, connection.like
        self.recorder.waiting -= 1
        self.recorder.connections_dropped += 1
        self._pool.close(connection)
        self._pool.discard_present()
        if job in self._retried:
            self.recorder.record_loss(*job, time.monotonic() - self.started_at)
        else:
            self._retried.add(job)
            self._queue.append((*job, connection.due))
