"""A connection to one Redis node on gevent's event loop. Nobody waits for it: replies arrive by a watcher.

The first like of a batch waits for one more turn of the loop, and all that come by then leave with it in one write. One
batch is in flight at a time, so that the next one grows meanwhile. See docs/explanation/worker.md.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

import gevent
import hiredis
import redis
import structlog
from gevent import get_hub
from redis.connection import ConnectionInterface, DefaultParser

from service.errors import CounterUnavailableError
from service.loop_socket import LoopSocket
from service.storage.connection_errors import count_redis_error
from service.storage.redis.commands import LikeCommand, decode_reply
from service.storage.redis.node import Node
from service.storage.redis.shard_client import Redirect, classify

_READ_BYTES = 256 * 1024
# The limit of a batch. It bounds the time for which Redis serves nobody else.
_MAX_BATCH = 512
_log = structlog.get_logger(__name__)

# The commands of one function call.
Group = list[LikeCommand]


class NodePipe:
    """Sends commands to a node, and passes each group on once its reply has arrived.

    encode: returns the function calls of a batch, as their bytes and their groups.
    deliver: called with each group; the outcome of its commands is set. A command that may be repeated has a Redirect.
    """

    def __init__(
        self,
        node: Node,
        *,
        encode: Callable[[list[LikeCommand]], tuple[bytes, Sequence[Group]]],
        deliver: Callable[[Group], None],
    ) -> None:
        self.node = node
        self._encode = encode
        self._deliver = deliver
        self._loop = get_hub().loop
        self._next_turn = self._loop.timer(0)
        self._waiting: list[LikeCommand] = []
        self._in_flight: deque[Group] = deque()
        self._sent_at = 0.0
        self._is_scheduled = self._is_connecting = self._is_closed = False
        self._connection: ConnectionInterface | None = None
        self._socket: LoopSocket | None = None
        self._replies = _reader()

    def add(self, command: LikeCommand) -> None:
        """Send the command at the end of the next turn of the loop, or after the batch in flight."""
        self._waiting.append(command)
        if not self._is_scheduled:
            self._is_scheduled = True
            # In the next turn the loop looks at all sockets again, without waiting. Likes that have arrived join the
            # batch: a like in a batch of two costs a third less than alone.
            self._next_turn.start(self._loop.run_callback, self._flush)

    def fail_late(self, timeout_s: float) -> None:
        """Give the connection up if Redis is silent for longer than this."""
        if self._is_late(timeout_s):
            # This process may have stood still, with the replies unread.
            self._on_readable()
            if self._is_late(timeout_s):
                self._fail(TimeoutError("timed out"))

    def close(self) -> None:
        """Close the socket. Commands under way get a Redirect."""
        self._is_closed = True
        self._fail(ConnectionError("the connection was closed"), is_error=False)

    def _is_late(self, timeout_s: float) -> bool:
        return bool(self._in_flight) and time.monotonic() - self._sent_at > timeout_s

    def _flush(self) -> None:
        self._is_scheduled = False
        if self._in_flight or not self._waiting:
            return
        if self._socket is None:
            self._start_to_connect()
            return
        now = time.monotonic()
        if self._waiting[0].deadline <= now:
            self._fail(TimeoutError("the process stood still"))
            return
        batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
        data, groups = self._encode(batch)
        self._in_flight.extend(groups)
        self._sent_at = now
        try:
            self._socket.send(data)
        except OSError as error:
            self._fail(error)

    def _on_readable(self) -> None:
        assert self._socket
        try:
            # TLS may hold more than the socket announces, so it is read until nothing is left.
            while data := self._socket.receive(_READ_BYTES):
                self._replies.feed(data)
            if data is not None:
                raise ConnectionError("Redis closed the connection")
        except OSError as error:
            self._fail(error)
        else:
            self._take_replies()

    def _take_replies(self) -> None:
        """Pass the replies on. An exception must not leave a callback, or gevent would stop the watcher."""
        try:
            while self._in_flight and (reply := self._replies.gets()) is not False:
                group = self._in_flight.popleft()
                if isinstance(reply, redis.ResponseError):
                    count_redis_error(reply)
                decode_reply(group, classify(reply, self.node))
                self._deliver(group)
        except Exception as error:
            _log.exception("a reply of Redis cannot be read", host=self.node.name)
            self._fail(error)
        self._flush()

    def _start_to_connect(self) -> None:
        if not self._is_connecting:
            self._is_connecting = True
            gevent.spawn(self._connect)

    def _connect(self) -> None:
        """Connect in a greenlet, as redis-py waits for names, passwords and TLS. Then take its socket."""
        try:
            self._connection = self.node.connect()
        except Exception as error:
            # Whatever it is, likes that wait get an answer.
            if not isinstance(error, CounterUnavailableError):
                _log.exception("cannot connect to Redis", host=self.node.name)
            self._fail(error, is_error=False)
            return
        finally:
            self._is_connecting = False
        if self._is_closed:
            # Nobody would close it later.
            self._connection.disconnect()
            self.close()
            return
        # redis-py has no public name for the socket.
        sock = self._connection._sock  # type: ignore[attr-defined]
        self._socket = LoopSocket(sock, self._on_readable, on_sent=_do_nothing)
        self._socket.watch()
        self._replies = _reader()
        self._flush()

    def _fail(self, error: Exception, *, is_error: bool = True) -> None:
        """Close the socket, and let every command under way be repeated elsewhere."""
        if is_error:
            count_redis_error(error)
        self._disconnect()
        groups = [*self._in_flight, self._waiting] if self._waiting else list(self._in_flight)
        self._in_flight.clear()
        self._waiting = []
        for group in groups:
            decode_reply(group, Redirect(f"Redis {self.node.name}: {error}"))
            self._deliver(group)

    def _disconnect(self) -> None:
        if self._socket and self._connection:
            self._socket.detach()
            self._connection.disconnect()
            self._socket = self._connection = None


def _reader() -> hiredis.Reader:
    """Return a parser of replies. Errors become those of redis-py."""
    return hiredis.Reader(replyError=DefaultParser.parse_error)


def _do_nothing() -> None:
    pass
