"""Accept connections on the event loop."""

from collections.abc import Callable, Sequence
from typing import Any

from gevent import get_hub

from service.loop_socket import StandardSocket

_READ = 1


class Acceptor:
    """Listens while there is room, and passes each new connection on as (socket, address, name of the listener).

    at_once: connections to accept before other events get their turn. With several workers it should be 1, so that
    they share a burst.
    """

    def __init__(
        self,
        listeners: Sequence[Any],
        on_connection: Callable[[Any, Any, Any], None],
        has_room: Callable[[], bool],
        *,
        at_once: int,
    ) -> None:
        self._on_connection = on_connection
        self._has_room = has_room
        self._at_once = at_once
        self._is_listening = False
        loop = get_hub().loop
        # The gevent sockets are replaced by sockets whose calls return at once.
        self._listeners = [StandardSocket(one.family, one.type, one.proto, fileno=one.detach()) for one in listeners]
        self._watchers = [loop.io(one.fileno(), _READ) for one in self._listeners]
        for listener in self._listeners:
            listener.setblocking(False)

    def listen(self) -> None:
        """Accept connections from now on, as far as there is room."""
        if not self._is_listening and self._has_room():
            self._is_listening = True
            for watcher, listener in zip(self._watchers, self._listeners, strict=True):
                watcher.start(self._accept, listener, self._at_once)

    def close(self) -> None:
        """Stop listening. Connections that the kernel has already accepted are served, not reset."""
        self._pause()
        for watcher, listener in zip(self._watchers, self._listeners, strict=True):
            while self._has_room() and self._accept(listener, 1):
                pass
            watcher.close()
            listener.close()

    def _pause(self) -> None:
        self._is_listening = False
        for watcher in self._watchers:
            watcher.stop()

    def _accept(self, listener: Any, most: int) -> bool:
        """Accept connections, `most` of them. Return whether there may be more."""
        for _ in range(most):
            if not self._has_room():
                self._pause()
                return False
            try:
                accepted, addr = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return False
            except OSError:
                # This process has too many open files. The worker's heartbeat tries again.
                self._pause()
                return False
            # `accept` returns a socket of gevent.
            sock = StandardSocket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
            self._on_connection(sock, addr, listener.getsockname())
        return True
