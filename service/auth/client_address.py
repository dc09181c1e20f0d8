"""Find the client's address behind trusted proxies, and the network under which its requests are limited.

A peer on a Unix socket has no address: its address is the empty string.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, inet_pton
from typing import Any

import structlog

from service.errors import ConfigurationError
from service.settings import Settings

_log = structlog.get_logger(__name__)

# The smallest block that a home gets. One host may use every address in it.
IPV6_SITE_BITS = 64
# The entry of a list for peers on Unix sockets, as in NGINX's `set_real_ip_from`.
UNIX_PEERS = "unix:"


class NetworkSet:
    """The networks of a setting, and peers on Unix sockets if it lists them.

    Raises ConfigurationError that names a value which is not a network.
    """

    def __init__(self, values: Sequence[str], setting: str) -> None:
        self._has_unix_peers = UNIX_PEERS in values
        try:
            self._networks: list[IPv4Network | IPv6Network] = [
                ip_network(value) for value in values if value != UNIX_PEERS
            ]
        except ValueError as reason:
            raise ConfigurationError(f"LIKEWISE_{setting.upper()}: {reason}. Give networks like 10.0.0.0/8.") from None
        v4 = [network for network in self._networks if isinstance(network, IPv4Network)]
        self._v4 = [(int(network.network_address), int(network.netmask)) for network in v4]
        # IPv6 and IPv4-mapped addresses. A proxy sends many requests from the same one.
        self._contains_other = lru_cache(maxsize=4_096)(self._find_network)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def contains_everything(self) -> bool:
        """Return whether one of the networks is the whole Internet."""
        return any(network.prefixlen == 0 for network in self._networks)

    def contains(self, address: str) -> bool:
        """Return whether a peer's address is in one of the networks. False for text that is not an address."""
        if not address:
            return self._has_unix_peers
        try:
            number = int.from_bytes(inet_pton(AF_INET, address))
        except (OSError, ValueError):
            # Not plain IPv4. An embedded NUL is a ValueError.
            return self._contains_other(address)
        # A generator would cost as much as the whole rest.
        for base, mask in self._v4:  # noqa: SIM110
            if number & mask == base:
                return True
        return False

    def _find_network(self, address: str) -> bool:
        plain = normalize_address(address)
        return bool(plain) and any(ip_address(plain) in network for network in self._networks)


class ClientResolver:
    """Finds out where requests come from. Logs a warning if the list of trusted proxies cannot be right."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = NetworkSet(settings.trusted_proxies, "trusted_proxies")
        self._unlimited = NetworkSet(settings.unlimited_networks, "unlimited_networks")
        self._listed = ", ".join(settings.trusted_proxies) or "empty"
        self._warned = False
        if self._trusted.contains_everything():
            _log.warning(
                "LIKEWISE_TRUSTED_PROXIES trusts every address: clients can forge their own", seen=self._listed
            )

    def is_trusted_proxy(self, peer: str) -> bool:
        """Return whether the peer may set X-Forwarded-For and similar headers."""
        return self._trusted.contains(peer)

    def limited_network(self, environ: Mapping[str, Any]) -> str:
        """Return the network under which a client's likes are limited. Empty if its network has no limits."""
        address = self._client_address(environ)
        return "" if self._unlimited and self._unlimited.contains(address) else _network_of_plain(address)

    def is_https(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the client speaks TLS, to this process or to a trusted proxy."""
        if environ["wsgi.url_scheme"] == "https":
            return True
        forwarded = environ.get("HTTP_X_FORWARDED_PROTO", "")
        return forwarded == "https" and self._trusted.contains(environ.get("REMOTE_ADDR", ""))

    def _client_address(self, environ: Mapping[str, Any]) -> str:
        """Return the client's address. Empty if there is none, as on a Unix socket."""
        peer, forwarded = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        if forwarded and not self._warned and not self._trusted.contains(peer):
            self._warn(peer)
        return client_address(peer, forwarded, self._trusted)

    def _warn(self, peer: str) -> None:
        self._warned = True
        _log.warning(
            "X-Forwarded-For is ignored: its sender is not in LIKEWISE_TRUSTED_PROXIES, "
            "and all clients behind it share the limits of one network",
            senders_network=_surrounding_network(peer),
            trusted_proxies=self._listed,
        )


def _surrounding_network(address: str) -> str:
    """Return a network for the log: small enough to identify a proxy, and too large to identify a person."""
    if not address:
        return UNIX_PEERS
    plain = normalize_address(address)
    return str(ip_network(f"{plain}/{48 if ':' in plain else 16}", strict=False)) if plain else "unknown"


def client_address(peer: str, forwarded_for: str, trusted: NetworkSet) -> str:
    """Return the right-most address that is not a trusted proxy's.

    `forwarded_for` is read from the right, as far as each address is a trusted proxy's. An entry that is not an address
    ends the search, as a client wrote everything to its left.
    """
    known = normalize_address(peer)
    if not trusted.contains(peer):
        return known
    hops = iter(reversed(forwarded_for.split(",")))
    while trusted.contains(known):
        before = normalize_address(next(hops, ""))
        if not before:
            return known
        known = before
    return known


def network_of(address: str) -> str:
    """Return an IPv4 address itself, the /64 of an IPv6 address, and "unknown" for other text (a Unix socket)."""
    return _network_of_plain(normalize_address(address))


def _network_of_plain(address: str) -> str:
    if ":" not in address:
        return address or "unknown"
    return str(ip_network(f"{address}/{IPV6_SITE_BITS}", strict=False))


def normalize_address(text: str) -> str:
    """Return an address without port, brackets and zone, and an IPv4-mapped one as IPv4. Empty if it is none."""
    if not text:
        return ""
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):
        # Not plain IPv4. An embedded NUL is a ValueError.
        return _normalize_other(text)
    return text


def _normalize_other(text: str) -> str:
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
