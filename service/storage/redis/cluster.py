"""A Redis Cluster client: the nodes and the slot map. Errors of the Redis library do not leave it."""

import time
from collections.abc import Sequence
from threading import Lock
from typing import Any

import redis
from redis import DriverInfo
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, SSLConnection, parse_url
from redis.retry import Retry

from service.errors import ConfigurationError, CounterUnavailableError
from service.sharding import SLOTS
from service.storage.redis.node import Address, Node

# Refreshes within this time share one reading of the slot map.
_REFRESH_PAUSE_S = 0.05
# Sent on each new connection. Made once, as redis-py reads a file for it. Its reply also shows that a server is alive
# before any like is sent: one that hangs would count it later, when it has been answered with 503.
_DRIVER = DriverInfo()


class Cluster:
    """The nodes of a cluster, and the slots that each serves. A server without cluster mode serves all slots."""

    def __init__(
        self, urls: Sequence[str], *, timeout_s: float, username: str = "", password: str = "", ca_file: str = ""
    ) -> None:
        if not urls:
            raise ConfigurationError("LIKEWISE_REDIS_URLS is empty; give redis://HOST:PORT of some nodes")
        try:
            self._options = [dict(parse_url(url)) for url in urls]
        except ValueError as error:
            raise ConfigurationError(f"LIKEWISE_REDIS_URLS: {error}") from error
        self._credentials = {"username": username, "password": password}
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._seeds = [self._address(options) for options in self._options]
        self._nodes: dict[Address, Node] = {}
        self._slots: list[Address] = []
        self._refreshed_at = 0.0
        self._mutex = Lock()
        self._refresh_mutex = Lock()

    @staticmethod
    def _address(options: dict[str, Any]) -> Address:
        return options.get("host", "127.0.0.1"), options.get("port", 6379)

    def node(self, address: Address) -> Node:
        """Return the node at an address, which need not be known yet."""
        with self._mutex:
            if address not in self._nodes:
                self._nodes[address] = Node(address, self._pool(address))
            return self._nodes[address]

    def _pool(self, address: Address) -> ConnectionPool:
        options = self._options[0] | {"host": address[0], "port": address[1]}
        options |= {name: value for name, value in self._credentials.items() if value}
        if self._ca_file and options.get("connection_class") is SSLConnection:
            options["ssl_ca_certs"] = self._ca_file
        return ConnectionPool(
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=_DRIVER,
            **options,
        )

    def of_slot(self, slot: int) -> Node:
        """Return the primary of a slot. Raises CounterUnavailableError if the slot map cannot be read."""
        if not self._slots:
            self.refresh()
        address = self._slots[slot]
        if not address[0]:
            raise CounterUnavailableError(f"no Redis node serves slot {slot}")
        return self.node(address)

    def known_of_slot(self, slot: int) -> Node | None:
        """Return the same without waiting. None if the slot map has not been read, or no node serves the slot."""
        address = self._slots[slot] if self._slots else ("", 0)
        return self._nodes.get(address) or (self.node(address) if address[0] else None)

    def has(self, node: Node) -> bool:
        """Return whether the node still serves a slot."""
        return self._nodes.get(node.address) is node

    def primaries(self) -> list[Node]:
        """Return every node that serves a slot. Raises CounterUnavailableError."""
        if not self._slots:
            self.refresh()
        return [self.node(address) for address in sorted(set(self._slots)) if address[0]]

    def refresh(self) -> None:
        """Read the slot map again from the first node that answers. Calls in a burst share one reading.

        Raises CounterUnavailableError.
        """
        called_at = time.monotonic()
        with self._refresh_mutex:
            if self._slots and self._refreshed_at > called_at - _REFRESH_PAUSE_S:
                return
            reasons = []
            for address in dict.fromkeys([*self._slots, *self._seeds]):
                if not address[0]:
                    continue
                try:
                    self._slots = self._read_slots(address)
                except CounterUnavailableError as error:
                    reasons.append(str(error))
                    continue
                self._refreshed_at = time.monotonic()
                self._drop_unused_nodes()
                return
            raise CounterUnavailableError("; ".join(reasons))

    def _drop_unused_nodes(self) -> None:
        """Forget the nodes that serve no slot. Restarted nodes have new addresses, so the old ones would pile up."""
        with self._mutex:
            unused = [self._nodes.pop(address) for address in set(self._nodes) - set(self._slots)]
        for node in unused:
            node.close_if_idle()

    def _read_slots(self, address: Address) -> list[Address]:
        # Use its own socket: the shared one may be waiting for a dead primary.
        node = Node(address, self._pool(address))
        try:
            reply = node.call([("CLUSTER", "SLOTS")])[0]
        finally:
            node.close()
        if isinstance(reply, redis.ResponseError):
            if "cluster support disabled" in str(reply):
                return [address] * SLOTS
            raise CounterUnavailableError(f"Redis {address[0]}:{address[1]}: {reply}")
        slots: list[Address] = [("", 0)] * SLOTS
        for first, last, primary, *_ in reply:
            host = primary[0].decode() if primary[0] else address[0]
            slots[first : last + 1] = [(host, primary[1])] * (last - first + 1)
        if not reply:
            raise CounterUnavailableError(f"Redis {address[0]}:{address[1]} serves no slots yet")
        return slots

    def close(self) -> None:
        """Close all sockets."""
        for node in list(self._nodes.values()):
            node.close()
