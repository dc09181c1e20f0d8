"""Choose the addresses that the API binds, also on a machine without IPv6."""

import socket
from contextlib import suppress

_ANY_IPV6 = "[::]:"


def bind_addresses(bind: str) -> list[str]:
    """Return the addresses to bind for `HOST:PORT`, so that `[::]:PORT` listens on IPv6 and IPv4.

    Without IPv6 it is IPv4 alone. If the kernel keeps IPv6 sockets apart from IPv4 (net.ipv6.bindv6only), it is both.
    """
    if not bind.startswith(_ANY_IPV6):
        return [bind]
    any_ipv4 = "0.0.0.0:" + bind.removeprefix(_ANY_IPV6)
    if not socket.has_dualstack_ipv6():
        return [any_ipv4]
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        if probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return [bind, any_ipv4]
    return [bind]
