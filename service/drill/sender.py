"""Sends likes when they are due, over keep-alive sockets, in one thread. A slow server does not slow it."""

import time
from collections import deque
from collections.abc import Callable

from service.drill.plan import Options, Schedule
from service.drill.pool import IDLE, Address, Connection, Pool
from service.drill.tally import Tally
from service.drill.wire import Answer, BadAnswerError, Requests, answer_in, body_of, detail_of

_LONGEST_WAIT_S = 0.05
_TICK_S = 0.25


class Sender:
    """One run. `run` ends when all is answered, after `stop`, or `drain_s` after the last like was due."""

    def __init__(self, requests: Requests, options: Options, address: Address) -> None:
        self.tally = Tally(options.posts)
        self.took_s = 0.0
        self._requests = requests
        self._options = options
        self._schedule = Schedule(options.likes, options.seconds)
        self._pool = Pool(address, options.most_connections, self.tally)
        self._on_tick: Callable[[Tally], None] = lambda tally: None
        self._again: deque[int] = deque()  # to be sent a second time
        self._tried: set[int] = set()  # were sent a second time, or will be
        self._begin = self._tick_at = 0.0
        self._waiting = 0
        self._stopping = False

    def stop(self) -> None:
        """Send no more; `run` still waits for the answers that are due."""
        self._stopping = True

    def run(self, on_tick: Callable[[Tally], None] = lambda tally: None) -> Tally:
        """Send everything; what happened. `on_tick` is told a few times a second."""
        self._on_tick = on_tick
        self._begin = time.monotonic()
        self._pool.open(min(self._options.connections, self._options.likes))
        give_up = self._begin + self._options.seconds + self._options.drain_s
        try:
            while not self._done() and (now := time.monotonic()) < give_up:
                self._tick(now)
                self._send_due(now)
                for connection in self._pool.wait(self._pause()):
                    self._ready(connection)
        finally:
            self._end()
        return self.tally

    def _done(self) -> bool:
        if self._stopping:
            return not self._waiting
        return self.tally.sent == self._options.likes and not self._waiting and not self._again

    def _end(self) -> None:
        self.took_s = time.monotonic() - self._begin
        self.tally.unanswered = self._waiting + len(self._again)
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
        until = self._begin + self._schedule.at(self.tally.sent) - time.monotonic()
        return min(_LONGEST_WAIT_S, max(0.0, until))

    def _send_due(self, now: float) -> None:
        if self._stopping:
            return
        due = self._schedule.due(now - self._begin)
        while self._pool.has_idle and (self._again or self.tally.sent < due):
            self._send(self._pool.take())
        if late := len(self._again) + due - self.tally.sent:
            self._pool.grow(late)

    def _send(self, connection: Connection) -> None:
        connection.like = self._next()
        self._waiting += 1
        request = self._requests[connection.like]
        try:
            whole = connection.socket.send(request) == len(request)
        except OSError:
            whole = False
        if not whole:
            self._drop(connection)

    def _next(self) -> int:
        if self._again:
            self.tally.retried += 1
            return self._again.popleft()
        self.tally.sent += 1
        return self.tally.sent - 1

    def _ready(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
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
        like = connection.like
        seconds = time.monotonic() - self._begin - self._schedule.at(like)
        self.tally.answer(like, answer.status, seconds, again=like in self._tried, stranger=answer.stranger)
        self._waiting -= 1
        if answer.status not in (200, 201):
            self.tally.details.setdefault(answer.status, detail_of(body_of(connection.data)))
        if answer.keep:
            self._pool.put(connection)
        else:
            self._pool.close(connection)

    def _drop(self, connection: Connection) -> None:
        like = connection.like
        self._waiting -= 1
        self.tally.dropped += 1
        self._pool.close(connection)
        if like in self._tried:
            self.tally.lost += 1
        else:
            self._tried.add(like)
            self._again.append(like)
