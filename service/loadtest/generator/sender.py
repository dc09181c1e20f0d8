"""Send requests when they are due, over keep-alive connections, in one thread. A slow server does not delay it."""

import time
from collections.abc import Callable, Sequence
from itertools import repeat

from service.loadtest.generator.distribution import LIKE
from service.loadtest.generator.extra_requests import ExtraRequests
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
from service.loadtest.generator.schedule import turn_length
from service.loadtest.generator.workload import Workload

_MAX_WAIT_S = 0.05
_TICK_S = 0.25


class Sender:
    """One run. `run` ends when all requests are answered, after `stop`, or `drain_s` after the end of the sending.

    Likes that could not be sent in time are sent late, until `late_s` after the planned end.
    """

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
        self._extra = ExtraRequests(workload.follow_ups)
        self._turn_s = turn_length(workload.schedule.peak, options.max_connections)
        self._next_tick = 0.0
        # Seconds from the start to the last request.
        self._last_sent = 0.0
        self._is_stopping = False

    def stop(self) -> None:
        """Send no more requests. `run` still waits for outstanding responses."""
        self._is_stopping = True

    def run(self, on_tick: Callable[[Recorder], None] = lambda recorder: None) -> Recorder:
        """Send everything and return what happened. `on_tick` is called a few times a second."""
        self._on_tick = on_tick
        self.started_at = time.monotonic()
        options = self._options
        self._pool.open(min(options.connections, options.max_connections, options.likes))
        try:
            while self._continues(elapsed := time.monotonic() - self.started_at):
                self._tick(elapsed)
                self._send_due(elapsed)
                if self._turn_s:
                    time.sleep(self._turn_s)
                self._read(self._pool.wait(self._pause()))
        finally:
            self._finish()
        return self.recorder

    def _continues(self, elapsed: float) -> bool:
        planned_end = 0.0 if self._is_stopping else self._options.seconds
        if elapsed >= max(planned_end, self._last_sent) + self._options.drain_s:
            return False
        is_sending = self._may_send(elapsed) and (self.recorder.sent < self._options.likes or self._extra)
        return bool(is_sending or self.recorder.waiting)

    def _may_send(self, elapsed: float) -> bool:
        return not self._is_stopping and elapsed < self._options.seconds + self._options.late_s

    def _finish(self) -> None:
        for kind, like in self._pool.waiting():
            self.recorder.record_unanswered(kind, like)
        for kind, like, _ in self._extra:
            if self._extra.is_retried(kind, like):
                self.recorder.record_unanswered(kind, like)
            elif not self._is_stopping:
                self.recorder.never_sent[kind] += 1
        self.recorder.waiting = 0
        self._pool.close_all()
        self._on_tick(self.recorder)

    def _tick(self, elapsed: float) -> None:
        if elapsed >= self._next_tick:
            self._next_tick = elapsed + _TICK_S
            self._on_tick(self.recorder)

    def _pause(self) -> float:
        """Return the seconds until the next like is due, or the maximum if it could not be sent then."""
        if not self._pool.idle or self._is_stopping or self.recorder.sent == self._options.likes:
            return _MAX_WAIT_S
        until = self.started_at + self._times[self.recorder.sent] - time.monotonic()
        return min(_MAX_WAIT_S, max(0.0, until))

    def _send_due(self, elapsed: float) -> None:
        if not self._may_send(elapsed):
            return
        idle, recorder = self._pool.idle, self.recorder
        due = self.workload.schedule.due(elapsed)
        if idle and (self._extra or recorder.sent < due):
            self._last_sent = elapsed
        # The queue goes first, because its requests have waited longest.
        while idle and self._extra:
            kind, like, then = self._extra.pop()
            recorder.retried += self._extra.is_retried(kind, like)
            self._send(idle.pop(), kind, like, then)
        before = recorder.sent
        while idle and (like := recorder.sent) < due:
            recorder.sent = like + 1
            self._send(idle.pop(), LIKE, like, self._times[like])
        recorder.sent_at.extend(repeat(elapsed, recorder.sent - before))
        if late := len(self._extra) + due - recorder.sent:
            self._pool.grow(late)

    def _send(self, connection: Connection, kind: int, like: int, due: float) -> None:
        connection.kind, connection.like, connection.due = kind, like, due
        self.recorder.waiting += 1
        request = self._requests.build(kind, like)
        try:
            sent = connection.socket.send(request)
        except OSError:
            sent = 0
        self.recorder.bytes_sent += sent
        if sent < len(request):
            self._retry_or_lose(connection)

    def _read(self, ready: Sequence[Connection]) -> None:
        created: list[int] = []
        for connection in ready:
            # A connection may have been closed while those before it were read.
            if connection.is_open and (data := connection.receive()) is not None:
                self.recorder.bytes_received += len(data)
                self._parse(connection, data, created)
        if created:
            # The time after the last of them: no response is recorded as faster than it was.
            at = time.monotonic() - self.started_at
            self.recorder.acknowledge(created, at)
            self._follow(created, at)

    def _parse(self, connection: Connection, data: bytes, created: list[int]) -> None:
        if connection.like == IDLE:
            # The server closed an idle connection, or sent data without a request.
            self._pool.close(connection)
            return
        connection.data += data
        try:
            response = parse_response(connection.data, closed=not data)
        except BadResponseError:
            self._retry_or_lose(connection)
            return
        if response:
            self._handle(connection, response, created)
        elif not data:
            self._retry_or_lose(connection)

    def _handle(self, connection: Connection, response: Response, created: list[int]) -> None:
        self.recorder.waiting -= 1
        self.recorder.unknown_tokens += response.unknown_token
        if response.status == 201 and connection.kind == LIKE:
            created.append(connection.like)
        else:
            self._record(connection, response, time.monotonic() - self.started_at)
        if response.keep_alive:
            self._pool.put(connection)
        else:
            self._pool.close(connection)

    def _record(self, connection: Connection, response: Response, at: float) -> None:
        kind, like, status = connection.kind, connection.like, response.status
        if self.recorder.record_response(kind, like, status, at, retried=self._extra.is_retried(kind, like)):
            self._follow([like], at)
        elif kind != LIKE:
            self.recorder.follow_up_s.append(at - connection.due)
        if status not in (200, 201):
            self.recorder.details.setdefault(status, problem_detail(body_of(connection.data)))

    def _follow(self, likes: Sequence[int], at: float) -> None:
        if not self._is_stopping:
            self._extra.follow(likes, at)

    def _retry_or_lose(self, connection: Connection) -> None:
        kind, like = connection.kind, connection.like
        self.recorder.waiting -= 1
        self.recorder.connections_dropped += 1
        self._pool.discard_present(connection)
        if not self._extra.retry(kind, like, connection.due):
            self.recorder.record_loss(kind, like, time.monotonic() - self.started_at)
