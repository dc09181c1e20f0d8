"""Where a request comes from: the client's address behind trusted proxies, and the network it is counted under."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import structlog

from service.errors import ConfigurationError
from service.settings import Settings

_log = structlog.get_logger(__name__)

Networks = tuple[IPv4Network | IPv6Network, ...]

IPV6_SITE_BITS = 64  # the smallest block a home gets; one host may use every address in it


def parse_networks(values: Sequence[str], setting: str) -> Networks:
    """The networks of a setting; ConfigurationError names the one that is none."""
    try:
        return tuple(ip_network(value) for value in values)
    except ValueError as reason:
        raise ConfigurationError(f"LIKEWISE_{setting.upper()}: {reason}; give networks like 10.0.0.0/8") from None


class Clients:
    """Where requests come from, as far as trusted proxies tell. Warns where the list of them can't be right."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = parse_networks(settings.trusted_proxies, "trusted_proxies")
        self._unlimited = parse_networks(settings.unlimited_networks, "unlimited_networks")
        self._listed = ", ".join(settings.trusted_proxies) or "empty"
        self._warned = False
        if any(network.prefixlen == 0 for network in self._trusted):
            _log.warning("LIKEWISE_TRUSTED_PROXIES trusts every address: clients choose their own", seen=self._listed)

    def address(self, environ: Mapping[str, Any]) -> str:
        """The client's address; empty where there is none (a Unix socket)."""
        forwarded, peer = environ.get("HTTP_X_FORWARDED_FOR", ""), environ.get("REMOTE_ADDR", "")
        if forwarded and not self._warned and not is_trusted(peer, self._trusted):
            self._warned = True
            _log.warning(
                "X-Forwarded-For is not counted: its sender is not in LIKEWISE_TRUSTED_PROXIES, "
                "and everyone behind it shares one network's limits",
                sender=peer,
                x_forwarded_for=forwarded[:200],
                trusted_proxies=self._listed,
            )
        return client_address(peer, forwarded, self._trusted)

    def is_unlimited(self, address: str) -> bool:
        """Whether the network of this address has no limits."""
        return bool(self._unlimited) and is_trusted(address, self._unlimited)

    def is_https(self, environ: Mapping[str, Any]) -> bool:
        """Whether the client speaks TLS, to us or to a trusted proxy."""
        if environ["wsgi.url_scheme"] == "https":
            return True
        said = environ.get("HTTP_X_FORWARDED_PROTO", "")
        return said == "https" and is_trusted(environ.get("REMOTE_ADDR", ""), self._trusted)


@lru_cache(maxsize=4_096)
def client_address(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The right-most address that no trusted proxy owns; `forwarded_for` is believed only as far as proxies go.

    An entry that is no address ends the search: what is left of it was written by a client.
    """
    known = _bare(peer)
    hops = iter(reversed(forwarded_for.split(","))) if forwarded_for else iter(())
    while known and _is_within(known, trusted):
        before = _bare(next(hops, ""))
        if not before:
            return known
        known = before
    return known


@lru_cache(maxsize=4_096)
def network_of(address: str) -> str:
    """An IPv4 address itself, the /64 of an IPv6 one, "unknown" for anything else (a Unix socket)."""
    bare = _bare(address)
    if ":" not in bare:
        return bare or "unknown"
    return str(ip_network(f"{bare}/{IPV6_SITE_BITS}", strict=False))


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether the peer is a proxy whose forwarding headers count."""
    bare = _bare(peer)
    return bool(bare) and _is_within(bare, trusted)


def _is_within(address: str, networks: Networks) -> bool:
    parsed = ip_address(address)
    return any(parsed in network for network in networks)


def _bare(text: str) -> str:
    """An address without port, brackets or zone, IPv4-mapped ones as IPv4; empty where it is none."""
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
