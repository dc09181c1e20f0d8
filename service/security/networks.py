"""Where a request comes from: the client's address behind trusted proxies, and the network it is counted under."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from service.errors import ConfigurationError

Networks = tuple[IPv4Network | IPv6Network, ...]

IPV6_SITE_BITS = 64  # the smallest block a home gets; one host may use every address in it


def parse_networks(values: Sequence[str]) -> Networks:
    """The networks of `trusted_proxies`; ConfigurationError names the one that is none."""
    try:
        return tuple(ip_network(value) for value in values)
    except ValueError as reason:
        raise ConfigurationError(f"LIKEWISE_TRUSTED_PROXIES: {reason}; give networks like 10.0.0.0/8") from None


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
