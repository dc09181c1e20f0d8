"""Read one document from another server, with a limit on time and size, and without redirects."""

import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from service.errors import ConfigurationError

# Time limit to connect, and again to answer.
TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024


class HttpsDocument:
    """The document at `url`. Raises ConfigurationError if it is not https; http is allowed for this machine only."""

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._socket: socket.socket | None = None
        self._closed = False

    @property
    def host(self) -> str:
        """The host and port, for logs: a path or a query may hold secrets."""
        return self._url.netloc

    def read(self) -> bytes:
        """Return up to 256 KB, with 5 seconds to connect and 5 to answer. No redirects, no proxies.

        Raises OSError, HTTPException or ValueError with the reason if the document cannot be read.
        """
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
        # A socket's own timeout starts again with each byte.
        deadline = threading.Timer(TIMEOUT_S, self._shut_down)
        deadline.daemon = True
        try:
            connection.connect()
            self._socket = connection.sock
            deadline.start()
            return self._get(connection)
        finally:
            deadline.cancel()
            self._socket = None
            connection.close()

    def close(self) -> None:
        """End the read in progress. Later reads fail."""
        self._closed = True
        self._shut_down()

    def _get(self, connection: HTTPConnection) -> bytes:
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

    def _shut_down(self) -> None:
        if open_socket := self._socket:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_valid = False
    if not is_valid or not (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))):
        raise ConfigurationError("LIKEWISE_JWKS_URL must be https://HOST/PATH. http:// is for this machine only.")
    return parts


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
