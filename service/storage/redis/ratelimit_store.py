"""The processes' counts for each other in Redis: a hash for each counter, with a field for each process."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.crc import key_slot

from service.errors import CounterUnavailableError
from service.ratelimit.sync import Heard
from service.storage.redis.cluster import Cluster, Node, RedisCommand

PREFIX = "rl:"


class RedisWindows:
    """See `service.ratelimit.sync.Shared`. The cluster must be its own: likes must not wait for these sockets.

    Each counter hashes to a slot of its own, and may be evicted: processes set it again as they go on.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._me = b""

    def tell(self, counts: Mapping[str, int], ttl_s: int) -> Heard:
        """One write a node, and once more what has moved to another."""
        self._me = self._me or os.urandom(8)  # not in the constructor: gunicorn may fork after it
        try:
            self._cluster.primaries()  # without a slot map, each counter would ask for it
        except CounterUnavailableError as error:
            return Heard({}, str(error))
        told = self._tell(counts, ttl_s)
        moved = [name for name, answer in told.items() if isinstance(answer, redis.exceptions.MovedError)]
        if moved or any(isinstance(answer, CounterUnavailableError) for answer in told.values()):
            with suppress(CounterUnavailableError):  # it was said already, and is tried again the next time
                self._cluster.refresh()
        if moved:
            told |= self._tell({name: counts[name] for name in moved}, ttl_s)
        return _heard(told)

    def close(self) -> None:
        """Close the sockets."""
        self._cluster.close()

    def _tell(self, counts: Mapping[str, int], ttl_s: int) -> dict[str, int | Exception]:
        by_node: dict[Node, list[str]] = defaultdict(list)
        told: dict[str, int | Exception] = {}
        for name in counts:
            try:
                by_node[self._cluster.of_slot(key_slot((PREFIX + name).encode()))].append(name)
            except CounterUnavailableError as error:
                told[name] = error
        for node, names in by_node.items():
            told |= self._tell_node(node, {name: counts[name] for name in names}, ttl_s)
        return told

    def _tell_node(self, node: Node, counts: Mapping[str, int], ttl_s: int) -> dict[str, int | Exception]:
        commands = {name: self._commands(name, count, ttl_s) for name, count in counts.items()}
        try:
            replies = iter(node.call([command for several in commands.values() for command in several]))
        except CounterUnavailableError as error:
            return dict.fromkeys(counts, error)
        return {name: _answer([next(replies) for _ in commands[name]], count) for name, count in counts.items()}

    def _commands(self, name: str, count: int, ttl_s: int) -> list[RedisCommand]:
        key = PREFIX + name
        setting: list[RedisCommand] = [("HSET", key, self._me, count), ("EXPIRE", key, ttl_s)]
        return [*(setting if count else []), ("HVALS", key)]


def _answer(replies: Iterable[Any], own: int) -> int | Exception:
    *_, values = answers = list(replies)
    error = next((reply for reply in answers if isinstance(reply, redis.ResponseError)), None)
    return error or sum(map(int, values)) - own


def _heard(told: Mapping[str, int | Exception]) -> Heard:
    others = {name: answer for name, answer in told.items() if not isinstance(answer, Exception)}
    failed = next((str(answer) for answer in told.values() if isinstance(answer, Exception)), "")
    return Heard(others, failed)
