"""Decide which pages may use this service: its own, and those of the origins that embed the button."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from service.errors import ConfigurationError, ForeignSiteError

# The origin of this service's own pages, and of programs that are not browsers.
OWN_ORIGIN = ""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class AllowedOrigins:
    """The origins of LIKEWISE_SITES. A browser states a request's origin, and a page cannot forge it.

    The rules are those of Go's `http.CrossOriginProtection`: Sec-Fetch-Site decides; an older browser sends no such
    header, and Origin is compared with Host. A client that sends neither is not a browser, so no cookies are misused.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        parsed = [_parsed(origin) for origin in origins]
        self._exact = frozenset(f"{start}:{port}" if port else start for start, port in parsed if port != "*")
        self._any_port = frozenset(start for start, port in parsed if port == "*")

    def __bool__(self) -> bool:
        return bool(self._exact or self._any_port)

    def is_allowed(self, origin: str) -> bool:
        """Return whether pages of this origin, as a browser spells it, may embed the button."""
        if origin in self._exact:
            return True
        start, _, port = origin.rpartition(":")
        return (start in self._any_port and port.isascii() and port.isdigit()) or origin in self._any_port

    def request_origin(self, environ: Mapping[str, Any]) -> str:
        """Return OWN_ORIGIN, or the foreign origin that a request is from.

        Raises ForeignSiteError for an unsafe method from an origin that is not allowed.
        """
        origin: str = environ.get("HTTP_ORIGIN", "")
        if _is_own(origin, environ):
            return OWN_ORIGIN
        if environ["REQUEST_METHOD"] not in SAFE_METHODS and not self.is_allowed(origin):
            raise ForeignSiteError(_refusal(origin))
        # Empty if the user followed a link from another site. That site cannot read the response.
        return origin


def _is_own(origin: str, environ: Mapping[str, Any]) -> bool:
    fetch_site = environ.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    return not origin or origin.partition("://")[2] == environ.get("HTTP_HOST")


def _refusal(origin: str) -> str:
    if origin in {"", "null"}:
        return "A page without an origin may not do this. Serve it over HTTP, and list its origin in LIKEWISE_SITES."
    return f"Pages of the origin {origin[:100]!r} may not do this. LIKEWISE_SITES lists the origins that may."


def _parsed(origin: str) -> tuple[str, str]:
    """Return `scheme://host` and the port: empty for the scheme's default, `*` for any. Raise ConfigurationError."""
    try:
        any_port = origin.endswith(":*")
        parts = urlsplit(origin.removesuffix(":*"))
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError as reason:
        raise ConfigurationError(f"LIKEWISE_SITES: {origin!r} is not an origin: {reason}.") from None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.path or parts.query or parts.fragment or "@" in origin:
        raise ConfigurationError(f"LIKEWISE_SITES: {origin!r} is not an origin. Give one such as https://blog.example.")
    if "*" in host or (any_port and host not in _LOOPBACK):
        raise ConfigurationError(f"LIKEWISE_SITES: {origin!r} stands for several origins. List each of them.")
    if any_port:
        return f"{parts.scheme}://{host}", "*"
    return f"{parts.scheme}://{host}", "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else str(port)
