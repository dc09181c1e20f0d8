"""Exchange rate-limit counts between processes in Redis: one hash per counter, with one field per process."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.crc import key_slot

from service.errors import CounterUnavailableError
from service.ratelimit.sync import PeerCounts
from service.storage.redis.cluster import Cluster
from service.storage.redis.node import Node, RedisCommand

PREFIX = "rl:"


class RedisPeerStore:
    """Implements `service.ratelimit.sync.PeerStore`. Give it a cluster client of its own: likes must not wait for it.

    Each counter hashes to its own slot and may be evicted, because processes set it again with further hits.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._process_id = b""

    def exchange(self, counts: Mapping[str, int], ttl_s: int) -> PeerCounts:
        """Send one pipeline to each node, and once more what has moved to another node."""
        # Not in the constructor: gunicorn may fork after it.
        self._process_id = self._process_id or os.urandom(8)
        try:
            # Without a slot map, each counter would ask for it.
            self._cluster.primaries()
        except CounterUnavailableError as error:
            return PeerCounts({}, str(error))
        results = self._exchange_all(counts, ttl_s)
        moved = [name for name, result in results.items() if isinstance(result, redis.exceptions.MovedError)]
        if moved or any(isinstance(result, CounterUnavailableError) for result in results.values()):
            # A failure is in the results already, and is tried again in the next round.
            with suppress(CounterUnavailableError):
                self._cluster.refresh()
        if moved:
            results |= self._exchange_all({name: counts[name] for name in moved}, ttl_s)
        return _peer_counts(results)

    def close(self) -> None:
        """Close the sockets."""
        self._cluster.close()

    def _exchange_all(self, counts: Mapping[str, int], ttl_s: int) -> dict[str, int | Exception]:
        by_node: dict[Node, list[str]] = defaultdict(list)
        results: dict[str, int | Exception] = {}
        for name in counts:
            try:
                by_node[self._cluster.of_slot(key_slot((PREFIX + name).encode()))].append(name)
            except CounterUnavailableError as error:
                results[name] = error
        for node, names in by_node.items():
            results |= self._exchange_at(node, {name: counts[name] for name in names}, ttl_s)
        return results

    def _exchange_at(self, node: Node, counts: Mapping[str, int], ttl_s: int) -> dict[str, int | Exception]:
        commands = {name: self._commands(name, count, ttl_s) for name, count in counts.items()}
        try:
            replies = iter(node.call([command for several in commands.values() for command in several]))
        except CounterUnavailableError as error:
            return dict.fromkeys(counts, error)
        return {name: _others([next(replies) for _ in commands[name]], count) for name, count in counts.items()}

    def _commands(self, name: str, count: int, ttl_s: int) -> list[RedisCommand]:
        key = PREFIX + name
        publish: list[RedisCommand] = [("HSET", key, self._process_id, count), ("EXPIRE", key, ttl_s)]
        return [*(publish if count else []), ("HVALS", key)]


def _others(replies: Iterable[Any], own: int) -> int | Exception:
    *_, values = results = list(replies)
    error = next((reply for reply in results if isinstance(reply, redis.ResponseError)), None)
    return error or sum(map(int, values)) - own


def _peer_counts(results: Mapping[str, int | Exception]) -> PeerCounts:
    others = {name: result for name, result in results.items() if not isinstance(result, Exception)}
    error = next((str(result) for result in results.values() if isinstance(result, Exception)), "")
    return PeerCounts(others, error)
