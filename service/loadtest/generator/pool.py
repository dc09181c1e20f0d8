"""Keep connections to one address, without blocking on any of them."""

import errno
import selectors
import socket
import time
from dataclasses import dataclass

from service.loadtest.generator.distribution import LIKE
from service.loadtest.generator.recorder import Recorder

# The `like` of a connection that waits for no response.
IDLE = -1
# Pause after a connection that could not be opened.
_REOPEN_S = 0.1
_OPENED_AT_ONCE = 8
# Longer responses need more than one call.
_READ_BYTES = 4_096

Address = tuple[socket.AddressFamily, tuple[str, int]]


@dataclass(slots=True, eq=False)
class Connection:
    """A socket, and the request that it waits for: its kind, its like, and when it was due."""

    socket: socket.socket
    generation: int
    is_open: bool = False
    like: int = IDLE
    kind: int = LIKE
    due: float = 0.0
    data: bytes = b""

    def receive(self) -> bytes | None:
        """Return what has arrived: nothing if the connection is lost, None if there is nothing to read."""
        try:
            return self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""


class ConnectionPool:
    """At most `limit` connections. The one used last is used first, so that a small load uses few of them."""

    def __init__(self, address: Address, limit: int, recorder: Recorder) -> None:
        self._family, self._address = address
        self._limit = limit
        self._recorder = recorder
        self._selector = selectors.DefaultSelector()
        self._all: set[Connection] = set()
        # The connections that may be taken, from the end.
        self.idle: list[Connection] = []
        self._opening = 0
        self._open_after = 0.0
        self._generation = 0

    def discard_present(self, lost: Connection) -> None:
        """Close a lost connection, and send nothing more over the others.

        If one connection was lost, the server may be closing all of them, as NGINX does when it reloads. Browsers also
        switch to a new connection then.
        """
        self.close(lost)
        self._generation += 1
        for connection in list(self.idle):
            self.close(connection)

    def put(self, connection: Connection) -> None:
        """Return a connection that is idle again."""
        if connection.generation < self._generation:
            self.close(connection)
            return
        connection.like, connection.data = IDLE, b""
        self.idle.append(connection)

    def waiting(self) -> list[tuple[int, int]]:
        """Return kind and like of each request without a response."""
        return [(connection.kind, connection.like) for connection in self._all if connection.like != IDLE]

    def grow(self, wanted: int) -> None:
        """Begin to open some of the `wanted` connections."""
        if time.monotonic() >= self._open_after:
            self.open(min(_OPENED_AT_ONCE, self._limit - len(self._all), wanted - self._opening))

    def open(self, count: int) -> None:
        """Begin to open `count` connections."""
        for _ in range(count):
            if not self._open():
                self._count_refused()
                break
        self._recorder.connections = max(self._recorder.connections, len(self._all))

    def wait(self, timeout_s: float) -> list[Connection]:
        """Return the connections that can be read. New connections become idle meanwhile."""
        ready = [key.data for key, _ in self._selector.select(timeout_s)]
        if not self._opening:
            return ready
        opened = [connection for connection in ready if not connection.is_open]
        for connection in opened:
            self._finish_opening(connection)
        return [connection for connection in ready if connection not in opened]

    def close(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        connection.is_open = False
        self._all.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def close_all(self) -> None:
        """Close everything. The pool cannot be used again."""
        for connection in list(self._all):
            self.close(connection)
        self._selector.close()

    def _open(self) -> bool:
        try:
            connection = Connection(socket.socket(self._family, socket.SOCK_STREAM), self._generation)
        except OSError:
            # No file descriptor is left.
            return False
        connection.socket.setblocking(False)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if connection.socket.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            connection.socket.close()
            return False
        self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)
        self._all.add(connection)
        self._opening += 1
        return True

    def _finish_opening(self, connection: Connection) -> None:
        self._opening -= 1
        if connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._count_refused()
            self.close(connection)
        else:
            connection.is_open = True
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
            self.idle.append(connection)

    def _count_refused(self) -> None:
        self._recorder.connections_refused += 1
        self._open_after = time.monotonic() + _REOPEN_S
