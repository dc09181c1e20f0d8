"""Sends requests when they are due, over keep-alive sockets, in one thread. A slow server does not slow it."""

import time
from collections import deque
from collections.abc import Callable

from service.loadtest.generator.distribution import LIKE
from service.loadtest.generator.http import Answer, BadAnswerError, Requests, answer_in, body_of, detail_of
from service.loadtest.generator.plan import Options
from service.loadtest.generator.pool import IDLE, Address, Connection, Pool
from service.loadtest.generator.recorder import Tally
from service.loadtest.generator.workload import Crowd

_LONGEST_WAIT_S = 0.05
_TICK_S = 0.25

Job = tuple[int, int, float]  # a kind of request, the like it is about, and when it was due


class Sender:
    """One run. `run` ends when all is answered, after `stop`, or `drain_s` after the last like was due."""

    def __init__(self, requests: Requests, crowd: Crowd, options: Options, address: Address) -> None:
        self.crowd = crowd
        self.tally = Tally(options.likes)
        self.begin = 0.0  # by the monotonic clock
        self._requests = requests
        self._times = crowd.schedule.times
        self._options = options
        self._pool = Pool(address, options.most_connections, self.tally)
        self._on_tick: Callable[[Tally], None] = lambda tally: None
        self._queue: deque[Job] = deque()  # what is sent beside the schedule: second tries, and what follows a like
        self._tried: set[tuple[int, int]] = set()  # were sent a second time, or will be
        self._tick_at = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Send no more; `run` still waits for the answers that are due."""
        self._stopping = True

    def run(self, on_tick: Callable[[Tally], None] = lambda tally: None) -> Tally:
        """Send everything; what happened. `on_tick` is told a few times a second."""
        self._on_tick = on_tick
        self.begin = time.monotonic()
        self._pool.open(min(self._options.connections, self._options.most_connections, self._options.likes))
        give_up = self.begin + self._options.seconds + self._options.drain_s
        try:
            while not self._done() and (now := time.monotonic()) < give_up:
                self._tick(now)
                self._send_due(now - self.begin)
                for connection in self._pool.wait(self._pause()):
                    self._ready(connection)
        finally:
            self._end()
        return self.tally

    def _done(self) -> bool:
        if self._stopping:
            return not self.tally.waiting
        return self.tally.sent == self._options.likes and not self.tally.waiting and not self._queue

    def _end(self) -> None:
        for kind, like in self._pool.waiting():
            self.tally.give_up(kind, like)
        for kind, like, _ in self._queue:
            if (kind, like) in self._tried:
                self.tally.give_up(kind, like)
            elif not self._stopping:
                self.tally.never_sent[kind] += 1
        self.tally.waiting = 0
        self._pool.close_all()
        self._on_tick(self.tally)

    def _tick(self, now: float) -> None:
        if now >= self._tick_at:
            self._tick_at = now + _TICK_S
            self._on_tick(self.tally)

    def _pause(self) -> float:
        """Until the next like is due, if a connection is free for it."""
        if not self._pool.has_idle or self._stopping or self.tally.sent == self._options.likes:
            return _LONGEST_WAIT_S
        until = self.begin + self._times[self.tally.sent] - time.monotonic()
        return min(_LONGEST_WAIT_S, max(0.0, until))

    def _send_due(self, elapsed: float) -> None:
        if self._stopping:
            return
        pool, tally = self._pool, self.tally
        due = self.crowd.schedule.due(elapsed)
        while pool.has_idle and (self._queue or tally.sent < due):
            self._send(pool.take(), elapsed)
        if late := len(self._queue) + due - tally.sent:
            pool.grow(late)

    def _send(self, connection: Connection, elapsed: float) -> None:
        self._assign(connection, elapsed)
        self.tally.waiting += 1
        request = self._requests.of(connection.kind, connection.like)
        try:
            sent = connection.socket.send(request)
        except OSError:
            sent = 0
        self.tally.bytes_sent += sent
        if sent < len(request):
            self._drop(connection)

    def _assign(self, connection: Connection, elapsed: float) -> None:
        """The queue goes first: its requests have waited longest."""
        if self._queue:
            connection.kind, connection.like, connection.due = self._queue.popleft()
            self.tally.retried += (connection.kind, connection.like) in self._tried
            return
        like = self.tally.sent
        connection.kind, connection.like, connection.due = LIKE, like, self._times[like]
        self.tally.sent = like + 1
        self.tally.sent_at.append(elapsed)

    def _ready(self, connection: Connection) -> None:
        if not connection.open:
            return  # closed while those before it were read
        try:
            data = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.tally.bytes_received += len(data)
        if connection.like == IDLE:
            self._pool.close(connection)  # it idled too long for the server, or says what nobody asked
        else:
            self._read(connection, data)

    def _read(self, connection: Connection, data: bytes) -> None:
        connection.data += data
        try:
            answer = answer_in(connection.data, ended=not data)
        except BadAnswerError:
            self._drop(connection)
            return
        if answer:
            self._answered(connection, answer)
        elif not data:
            self._drop(connection)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        kind, like, at = connection.kind, connection.like, time.monotonic() - self.begin
        self.tally.waiting -= 1
        self.tally.strangers += answer.stranger
        again = bool(self._tried) and (kind, like) in self._tried
        if self.tally.answer(kind, like, answer.status, at, again=again):
            self._follow(like, at)
        elif kind != LIKE:
            self.tally.followed_s.append(at - connection.due)
        if answer.status not in (200, 201):
            self.tally.details.setdefault(answer.status, detail_of(body_of(connection.data)))
        if answer.keep:
            self._pool.put(connection)
        else:
            self._pool.close(connection)

    def _follow(self, like: int, at: float) -> None:
        """Its actor takes the like back or sends it again, at once."""
        if (what := self.crowd.after[like]) and not self._stopping:
            self._queue.append((what, like, at))

    def _drop(self, connection: Connection) -> None:
        job = connection.kind, connection.like
        self.tally.waiting -= 1
        self.tally.dropped += 1
        self._pool.close(connection)
        self._pool.renew()
        if job in self._tried:
            self.tally.lose(*job, time.monotonic() - self.begin)
        else:
            self._tried.add(job)
            self._queue.append((*job, connection.due))
