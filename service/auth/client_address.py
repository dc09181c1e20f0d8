"""Where a request comes from: the client's address behind trusted proxies, and the network it is counted under."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, inet_pton
from typing import Any

import structlog

from service.errors import ConfigurationError
from service.settings import Settings

_log = structlog.get_logger(__name__)

IPV6_SITE_BITS = 64  # the smallest block a home gets; one host may use every address in it


class Networks:
    """The networks of a setting; ConfigurationError names the one that is none."""

    def __init__(self, values: Sequence[str], setting: str) -> None:
        try:
            self._networks: list[IPv4Network | IPv6Network] = [ip_network(value) for value in values]
        except ValueError as reason:
            raise ConfigurationError(f"LIKEWISE_{setting.upper()}: {reason}; give networks like 10.0.0.0/8") from None
        v4 = [network for network in self._networks if isinstance(network, IPv4Network)]
        self._v4 = [(int(network.network_address), int(network.netmask)) for network in v4]
        self._hold_odd = lru_cache(maxsize=4_096)(self._hold_any)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def hold_everyone(self) -> bool:
        """Whether one of them is all of the Internet."""
        return any(network.prefixlen == 0 for network in self._networks)

    def hold(self, address: str) -> bool:
        """Whether an address is in one of them; False for what is no address."""
        try:
            number = int.from_bytes(inet_pton(AF_INET, address))
        except (OSError, ValueError):  # an embedded NUL is a ValueError
            return self._hold_odd(address)
        return any(number & mask == base for base, mask in self._v4)

    def _hold_any(self, address: str) -> bool:
        plain = bare(address)
        return bool(plain) and any(ip_address(plain) in network for network in self._networks)


class Clients:
    """Where requests come from, as far as trusted proxies tell. Warns where the list of them can't be right."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = Networks(settings.trusted_proxies, "trusted_proxies")
        self._unlimited = Networks(settings.unlimited_networks, "unlimited_networks")
        self._listed = ", ".join(settings.trusted_proxies) or "empty"
        self._warned = False
        if self._trusted.hold_everyone():
            _log.warning("LIKEWISE_TRUSTED_PROXIES trusts every address: clients choose their own", seen=self._listed)

    def trusts(self, peer: str) -> bool:
        """Whether what a peer at this address says of a request counts."""
        return self._trusted.hold(peer)

    def network(self, environ: Mapping[str, Any]) -> str:
        """What a client's limits are counted under; empty where its network has none."""
        address = self._address(environ)
        return "" if self._unlimited and self._unlimited.hold(address) else network_of(address)

    def is_https(self, environ: Mapping[str, Any]) -> bool:
        """Whether the client speaks TLS, to us or to a trusted proxy."""
        if environ["wsgi.url_scheme"] == "https":
            return True
        said = environ.get("HTTP_X_FORWARDED_PROTO", "")
        return said == "https" and self._trusted.hold(environ.get("REMOTE_ADDR", ""))

    def _address(self, environ: Mapping[str, Any]) -> str:
        """The client's address; empty where there is none (a Unix socket)."""
        peer, forwarded = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        if forwarded and not self._warned and not self._trusted.hold(peer):
            self._warn(peer)
        return client_address(peer, forwarded, self._trusted)

    def _warn(self, peer: str) -> None:
        self._warned = True
        _log.warning(
            "X-Forwarded-For is not counted: its sender is not in LIKEWISE_TRUSTED_PROXIES, "
            "and everyone behind it shares one network's limits",
            senders_network=_neighbourhood(peer),
            trusted_proxies=self._listed,
        )


def _neighbourhood(address: str) -> str:
    """What a log may say of an address: enough to know a proxy by, too little to know a person by."""
    plain = bare(address)
    return str(ip_network(f"{plain}/{48 if ':' in plain else 16}", strict=False)) if plain else "unknown"


def client_address(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The right-most address that no trusted proxy owns; `forwarded_for` is believed only as far as proxies go.

    An entry that is no address ends the search: what is left of it was written by a client.
    """
    known = bare(peer)
    hops = iter(reversed(forwarded_for.split(",")))
    while known and trusted.hold(known):
        before = bare(next(hops, ""))
        if not before:
            return known
        known = before
    return known


def network_of(address: str) -> str:
    """An IPv4 address itself, the /64 of an IPv6 one, "unknown" for anything else (a Unix socket)."""
    plain = bare(address)
    if ":" not in plain:
        return plain or "unknown"
    return str(ip_network(f"{plain}/{IPV6_SITE_BITS}", strict=False))


def bare(text: str) -> str:
    """An address without port, brackets or zone, IPv4-mapped ones as IPv4; empty where it is none."""
    if not text:
        return ""
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):  # an embedded NUL is a ValueError
        return _bare_of(text)
    return text  # as nearly all are written


def _bare_of(text: str) -> str:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
