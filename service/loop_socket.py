"""A socket on gevent's event loop. Nobody waits for it: callbacks tell when it has data, and when data was sent."""

from collections.abc import Callable
from ssl import SSLWantReadError, SSLWantWriteError
from typing import Any

from gevent import get_hub, monkey

# The standard library's socket, whose calls return at once also where gevent has patched the library.
StandardSocket: Any = monkey.get_original("socket", "socket")
_READ, _WRITE = 1, 2
_NOT_NOW = (BlockingIOError, SSLWantReadError, SSLWantWriteError)


class LoopSocket:
    """Owns a connected socket and its watchers.

    on_readable: called when there is data, or the end. An exception must not leave it: gevent would stop the watcher.
    on_sent: called when data that `send` had to keep was sent, or could not be sent.
    """

    __slots__ = ("_on_readable", "_on_sent", "_reader", "_sock", "_unsent", "_writer")

    def __init__(self, sock: Any, on_readable: Callable[[], None], on_sent: Callable[[], None]) -> None:
        sock.setblocking(False)
        fd, loop = sock.fileno(), get_hub().loop
        self._sock = sock
        self._reader, self._writer = loop.io(fd, _READ), loop.io(fd, _WRITE)
        self._on_readable = on_readable
        self._on_sent = on_sent
        self._unsent = b""

    @property
    def has_unsent(self) -> bool:
        """Whether data waits until the peer reads."""
        return bool(self._unsent)

    def watch(self) -> None:
        """Call `on_readable` from now on."""
        self._reader.start(self._on_readable)

    def pause(self) -> None:
        """Leave data in the kernel from now on. The peer is slowed down when the kernel's buffer is full."""
        self._reader.stop()

    def receive(self, size: int) -> bytes | None:
        """Return what has arrived, at most `size` bytes. None: nothing yet. Empty: the peer sends no more.

        Raises OSError if the connection is broken.
        """
        try:
            data: bytes = self._sock.recv(size)
        except _NOT_NOW:
            return None
        return data

    def send(self, data: bytes) -> bool:
        """Send, and return True. If the kernel takes only a part, keep the rest for later, and return False.

        Raises OSError if the connection is broken.
        """
        try:
            sent = self._sock.send(data)
        except _NOT_NOW:
            sent = 0
        if sent == len(data):
            return True
        self._unsent = data[sent:]
        self._writer.start(self._on_writable)
        return False

    def detach(self) -> Any:
        """Close the watchers, and return the socket."""
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        return self._sock

    def close(self) -> None:
        """Close the watchers and the socket."""
        self.detach().close()

    def _on_writable(self) -> None:
        self._writer.stop()
        data, self._unsent = self._unsent, b""
        try:
            if not self.send(data):
                return
        except OSError:
            # The peer is gone, which the reader notices as well.
            self._unsent = b""
        self._on_sent()
