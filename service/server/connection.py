"""One client's connection on the event loop. It has a watcher, not a greenlet: nothing here waits.

See docs/explanation/worker.md.
"""

import errno
import time
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gunicorn import util
from gunicorn.http.wsgi import base_environ

from service.loop_socket import LoopSocket, StandardSocket
from service.server.exchange import Exchange
from service.server.gunicorn_request import serve_request
from service.server.request_head import parse_head

_READ_BYTES = 16 * 1024
_IPV4_MAPPED = "::ffff:"
_DISCONNECTED = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})


class Connection:
    """A connection, and the request that is being answered: at most one, and at most one begins in a turn of the loop.

    Bytes beyond that request wait in a buffer of limited size, then in the kernel.
    """

    def __init__(self, worker: Any, sock: Any, addr: Any, listener_name: Any) -> None:
        self.worker = worker
        self._addr = without_ipv4_mapping(addr)
        # Empty on a Unix socket.
        self.peer: str = self._addr[0] if isinstance(self._addr, tuple) else ""
        self._listener_name = listener_name
        self._last_active = time.monotonic()
        # A request is being answered, here or in a greenlet.
        self._is_busy = False
        # The client sends no more.
        self._has_ended = False
        self._unread = b""
        self._stays_open = True
        # None once it is closed, and while gunicorn has it.
        self._socket: LoopSocket | None = None
        self._watch(sock)

    def begin_next(self) -> None:
        """Begin the next request, which has been read already."""
        if self._socket:
            self._read_on()
            data, self._unread = self._unread, b""
            self._begin(data)

    def send(self, data: bytes, *, stays_open: bool) -> None:
        """Send the response. What the client does not take yet waits, and no other request begins meanwhile."""
        if not self._socket:
            return
        self._stays_open = stays_open
        try:
            if self._socket.send(data):
                self._end_request()
        except OSError:
            self.close()

    def close_if_idle(self) -> None:
        """End an idle connection. A request that has already arrived is answered first."""
        if not self._is_busy:
            before = self._last_active
            self._on_readable()
            if not self._is_busy and self._last_active == before:
                self.close()

    def close_if_stuck(self, since: float) -> None:
        """End the connection if it is idle, or its client has taken nothing of a response, since a moment."""
        if self._last_active < since and self._socket:
            if self._socket.has_unsent:
                self.close()
            else:
                self.close_if_idle()

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
            self._socket = None
            self.worker.forget(self)

    def base_environ(self) -> dict[str, Any]:
        """Return what all requests of the connection have in common (PEP 3333)."""
        name, addr = self._listener_name, self._addr
        server, port = name[:2] if isinstance(name, tuple) else ("localhost", 80)
        return {
            **base_environ(self.worker.cfg),
            "wsgi.multithread": True,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": server,
            "SERVER_PORT": str(port),
            "SCRIPT_NAME": "",
            "REMOTE_PORT": str(addr[1]) if isinstance(addr, tuple) else "",
        }

    def _watch(self, sock: Any) -> None:
        self._socket = LoopSocket(sock, self._on_readable, self._end_request)
        self._read_on()

    def _read_on(self) -> None:
        """Read what arrives, unless enough waits already. Otherwise a client that pipelines would fill the memory."""
        if self._socket and not self._has_ended and len(self._unread) < _READ_BYTES:
            self._socket.watch()

    def _on_readable(self) -> None:
        assert self._socket
        try:
            data = self._socket.receive(_READ_BYTES)
        except OSError:
            data = b""
        if data is None:
            return
        if self._is_busy:
            self._unread += data
            self._has_ended |= not data
            if self._has_ended or len(self._unread) >= _READ_BYTES:
                self._socket.pause()
        elif data:
            self._begin(data)
        else:
            self.close()

    def _begin(self, data: bytes) -> None:
        """Begin a request. An exception must not leave a callback: gevent would stop the watcher."""
        self._is_busy = True
        self._last_active = time.monotonic()
        try:
            if head := parse_head(data):
                if head.length < len(data):
                    self._unread = data[head.length :] + self._unread
                Exchange(self, head).begin()
            else:
                assert self._socket
                self._socket.pause()
                gevent.spawn(self._lend_to_gunicorn, data)
        except Exception:
            self.worker.log.exception("Error handling request")
            self.close()

    def _end_request(self) -> None:
        """Go on after the response was sent, or cannot be sent."""
        self._last_active = time.monotonic()
        if not self._stays_open or (self._has_ended and not self._unread):
            self.close()
        elif self._unread:
            # It stays busy. Otherwise bytes that arrive in this turn would overtake those that were read before.
            self.worker.next_turn(self)
        else:
            self._is_busy = False

    def _lend_to_gunicorn(self, data: bytes) -> None:
        """Let gunicorn answer a request on a blocking socket in this greenlet, and take the socket back."""
        if not self._socket:
            return
        data, self._unread = data + self._unread, b""
        sock, self._socket = self._socket.detach(), None
        lent = gevent_socket.socket(sock.family, sock.type, fileno=sock.detach())
        lent.settimeout(self.worker.idle_s)
        rest = None
        try:
            rest = serve_request(self.worker, self._listener_name, lent, self._addr, data)
        except OSError as error:
            if error.errno not in _DISCONNECTED and not isinstance(error, TimeoutError):
                self.worker.log.exception("Socket error processing request.")
        if rest is None:
            util.close(lent)
            self.worker.forget(self)
            return
        self._unread, self._stays_open = rest, True
        self._watch(StandardSocket(lent.family, lent.type, fileno=lent.detach()))
        self._end_request()


def without_ipv4_mapping(addr: Any) -> Any:
    """Return an IPv4 client of a dual-stack listener by its IPv4 address, not as ::ffff:1.2.3.4."""
    if isinstance(addr, tuple) and addr[0].startswith(_IPV4_MAPPED):
        return (addr[0].removeprefix(_IPV4_MAPPED), addr[1])
    return addr
