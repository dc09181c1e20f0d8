"""One document of another server, read with bounds: time, size, and no way to be sent elsewhere."""

import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from service.errors import ConfigurationError

TIMEOUT_S = 5.0  # for connecting, and for all that follows
MAX_BYTES = 256 * 1024


class Document:
    """What `url` answers. ConfigurationError where it is not https; http is taken from this machine only."""

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._socket: socket.socket | None = None
        self._closed = False

    @property
    def host(self) -> str:
        """Where it is, for logs: a path or a query may hold secrets."""
        return self._url.netloc

    def read(self) -> bytes:
        """Up to 256 KB, within 5 seconds to connect and 5 to answer, without redirects and proxies.

        OSError, HTTPException or ValueError with the reason where it can't be had.
        """
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
        cut = threading.Timer(TIMEOUT_S, self._hang_up)  # a socket's own timeout begins anew with each byte
        cut.daemon = True
        try:
            connection.connect()
            self._socket = connection.sock
            cut.start()
            return self._answer(connection)
        finally:
            cut.cancel()
            self._socket = None
            connection.close()

    def close(self) -> None:
        """End a reading that goes on; later ones fail."""
        self._closed = True
        self._hang_up()

    def _answer(self, connection: HTTPConnection) -> bytes:
        if self._closed:
            raise ValueError("it was closed")
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "likewise"})
        with connection.getresponse() as response:
            if response.status != 200:
                raise ValueError(f"it answers {response.status}")
            body = response.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        return body

    def _hang_up(self) -> None:
        if open_socket := self._socket:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or not (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))):
        raise ConfigurationError("LIKEWISE_JWKS_URL must be https://HOST/PATH, or http:// on this machine only")
    return parts


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
