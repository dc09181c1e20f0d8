"""Keep-alive connections to one address, without waiting for any of them."""

import errno
import selectors
import socket
import time
from dataclasses import dataclass

from service.loadtest.generator.distribution import LIKE
from service.loadtest.generator.recorder import Tally

IDLE = -1
_REOPEN_S = 0.1  # after a connection that could not be opened
_AT_ONCE = 8

Address = tuple[socket.AddressFamily, tuple[str, int]]


@dataclass(slots=True, eq=False)
class Connection:
    """A socket and the request whose answer it waits for: of which kind, about which like, due when."""

    socket: socket.socket
    epoch: int
    open: bool = False
    like: int = IDLE
    kind: int = LIKE
    due: float = 0.0
    data: bytes = b""


class Pool:
    """At most `most` connections. The one used last is used first, so that few are used while few are needed."""

    def __init__(self, address: Address, most: int, tally: Tally) -> None:
        self._family, self._address = address
        self._most = most
        self._tally = tally
        self._selector = selectors.DefaultSelector()
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening = 0
        self._open_at = 0.0
        self._epoch = 0

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    def take(self) -> Connection:
        """An idle connection."""
        return self._idle.pop()

    def renew(self) -> None:
        """Send nothing more over the connections of now: where one was lost, the server may be ending all of them.

        So do browsers: a reload of NGINX ends those that are kept, whatever was just sent over them.
        """
        self._epoch += 1
        for connection in list(self._idle):
            self.close(connection)

    def put(self, connection: Connection) -> None:
        """It is idle again."""
        if connection.epoch < self._epoch:
            self.close(connection)
            return
        connection.like, connection.data = IDLE, b""
        self._idle.append(connection)

    def waiting(self) -> list[tuple[int, int]]:
        """Kind and like of the requests without answer."""
        return [(one.kind, one.like) for one in self._all if one.like != IDLE]

    def grow(self, wanted: int) -> None:
        """Begin to open some of the connections that are wanted now."""
        if time.monotonic() >= self._open_at:
            self.open(min(_AT_ONCE, self._most - len(self._all), wanted - self._opening))

    def open(self, count: int) -> None:
        """Begin to open so many."""
        for _ in range(count):
            if not self._open():
                self._refused()
                break
        self._tally.connections = max(self._tally.connections, len(self._all))

    def _open(self) -> bool:
        try:
            connection = Connection(socket.socket(self._family, socket.SOCK_STREAM), self._epoch)
        except OSError:  # no file descriptor is left
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

    def wait(self, timeout_s: float) -> list[Connection]:
        """Those that can be read. One that has just been opened becomes idle on the way."""
        ready = [key.data for key, _ in self._selector.select(timeout_s)]
        return [connection for connection in ready if connection.open or self._opened(connection)]

    def _opened(self, connection: Connection) -> bool:
        """Always False: there is nothing to read yet."""
        self._opening -= 1
        if connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._refused()
            self.close(connection)
        else:
            connection.open = True
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
            self._idle.append(connection)
        return False

    def _refused(self) -> None:
        self._tally.unopened += 1
        self._open_at = time.monotonic() + _REOPEN_S

    def close(self, connection: Connection) -> None:
        """It is of no use any more."""
        connection.open = False
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def close_all(self) -> None:
        """Close everything; the pool can't be used again."""
        for connection in list(self._all):
            self.close(connection)
        self._selector.close()
