"""Which pages may talk to this service: its own, and those of the sites that embed the button."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from service.errors import ConfigurationError, ForeignSiteError

OWN = ""  # the site of our own pages, and of programs that are no browser
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Sites:
    """The trusted origins. A browser says where a request is from, and a page can't make it lie.

    The rules are those of Go's `http.CrossOriginProtection`: Sec-Fetch-Site first, Origin against Host where an older
    browser sends no such header, and what sends neither is no browser, so no one's cookies are misused.
    """

    def __init__(self, sites: Sequence[str]) -> None:
        parsed = [_parsed(site) for site in sites]
        self._exact = frozenset(f"{start}:{port}" if port else start for start, port in parsed if port != "*")
        self._any_port = frozenset(start for start, port in parsed if port == "*")

    def __bool__(self) -> bool:
        return bool(self._exact or self._any_port)

    def trusts(self, origin: str) -> bool:
        """Whether pages of this origin, as a browser spells it, may embed the button."""
        if origin in self._exact:
            return True
        start, _, port = origin.rpartition(":")
        return (start in self._any_port and port.isascii() and port.isdigit()) or origin in self._any_port

    def site_of(self, environ: Mapping[str, Any]) -> str:
        """OWN, or the origin that a request is from. ForeignSiteError for a change wished by a page we don't trust."""
        origin: str = environ.get("HTTP_ORIGIN", "")
        if _is_own(origin, environ):
            return OWN
        if environ["REQUEST_METHOD"] not in SAFE_METHODS and not self.trusts(origin):
            raise ForeignSiteError(_refusal(origin))
        return origin  # empty where a link was followed to us: what that shows, the other site can't read


def _is_own(origin: str, environ: Mapping[str, Any]) -> bool:
    fetch_site = environ.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    return not origin or origin.partition("://")[2] == environ.get("HTTP_HOST")


def _refusal(origin: str) -> str:
    if origin in {"", "null"}:
        return "A page without an origin may not do this; serve it by http, and list its origin in LIKEWISE_SITES."
    return f"Pages of {origin[:100]!r} may not do this; LIKEWISE_SITES lists the origins that may."


def _parsed(site: str) -> tuple[str, str]:
    """`scheme://host` and the port: empty for the scheme's own, `*` for any. Raises ConfigurationError."""
    try:
        any_port = site.endswith(":*")
        parts = urlsplit(site.removesuffix(":*"))
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError as reason:
        raise ConfigurationError(f"LIKEWISE_SITES: {site!r} is no origin: {reason}") from None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.path or parts.query or parts.fragment or "@" in site:
        raise ConfigurationError(f"LIKEWISE_SITES: {site!r} is no origin; give one like https://blog.example")
    if "*" in host or (any_port and host not in _LOOPBACK):
        raise ConfigurationError(f"LIKEWISE_SITES: {site!r} stands for several sites; give each one's origin")
    if any_port:
        return f"{parts.scheme}://{host}", "*"
    return f"{parts.scheme}://{host}", "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else str(port)
