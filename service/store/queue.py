"""The Queue on Redis Streams: the stream of a shard holds exactly what is pending, so there is no consumer group."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import redis
import structlog

from service.errors import CounterUnavailableError, LedgerUnavailableError, LikewiseError
from service.flusher import Batch, Committed, Entry, Polled
from service.store.cluster import Node
from service.store.shards import Moved, NewLife, Shards

log = structlog.get_logger(__name__)


class RedisQueue:
    """The streams of some shards; see `service.flusher.Queue`."""

    def __init__(self, shards: Shards, held: Sequence[int], settled_ttl_s: int) -> None:
        self._shards = shards
        self.shards = held
        self._ttl_s = settled_ttl_s

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[Polled]:
        """One pipeline a node; a node that is away is said and left out. `owner` '' only looks."""
        polled: list[Polled] = []
        moved = False
        for node, asked in self._by_node(self.shards if shards is None else shards).items():
            commands = [self._shards.command("poll", shard, owner, lease_ms) for shard in asked]
            try:
                replies = self._shards.call(node, commands)
            except CounterUnavailableError as error:
                log.warning("redis node away", reason=str(error), shards=len(asked))
                moved = True
                continue
            for shard, reply in zip(asked, replies, strict=True):
                if isinstance(reply, list):
                    polled.append(_polled(shard, reply))
                else:
                    moved |= self._attend(shard, reply)
        if moved:
            self._shards.cluster.refresh()
        return polled

    def _by_node(self, shards: Sequence[int]) -> dict[Node, list[int]]:
        by_node: dict[Node, list[int]] = defaultdict(list)
        for shard in shards:
            try:
                by_node[self._shards.node(shard)].append(shard)
            except CounterUnavailableError:
                self._shards.cluster.refresh()
        return by_node

    def _attend(self, shard: int, reply: Any) -> bool:
        if isinstance(reply, NewLife):
            try:
                self._shards.begin(shard, reply)
            except (LedgerUnavailableError, CounterUnavailableError) as error:
                log.warning("life not begun", shard=shard, reason=str(error))
        elif isinstance(reply, LikewiseError):
            log.warning("poll failed", shard=shard, reason=str(reply))
        return isinstance(reply, Moved)

    def read(self, polled: Polled, most: int, *, up_to: int | None = None, after: str | None = None) -> Batch:
        """See `service.flusher.Queue`."""
        start = f"({after}" if after else "-"
        end = "+" if up_to is None else f"{up_to}-0"
        command: tuple[Any, ...] = ("XRANGE", self._shards.key(polled.shard, "q"), start, end)
        if most:
            command += ("COUNT", most)
        reply = self._shards.node(polled.shard).call([command])[0]
        if isinstance(reply, redis.ResponseError):
            self._shards.cluster.refresh()
            raise CounterUnavailableError(f"shard {polled.shard}: {reply}")
        return Batch(polled.shard, polled.life, [_entry(*pair) for pair in reply])

    def settle(self, batch: Batch, committed: Committed, *, dead_reason: str = "") -> bool:
        """See `service.flusher.Queue`."""
        first, last = batch.entries[0].id, batch.entries[-1].id
        args: list[Any] = [batch.life, first, last, self._ttl_s, first if dead_reason else "", dead_reason]
        for post, (weight, entries) in batch.sums().items():
            args += (post, weight, entries, *committed.bases.get(post, (0, -1)))
        return bool(self._shards.call_one("settle", batch.shard, *args) == 1)

    def renew(self, shard: int, life: int) -> None:
        """See `service.flusher.Queue`."""
        self._shards.cluster.refresh()
        self._shards.call_one("renew", shard, life)

    def posts(self, shard: int) -> Iterable[tuple[str, dict[str, int]]]:
        """Each post that Redis holds of a shard, with its fields b, r, p, k, e and `members` (-1: not whole)."""
        prefix, node = self._shards.key(shard, "c:"), self._shards.node(shard)
        cursor = b"0"
        while True:
            cursor, keys = _value(node.call([("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1000)])[0])
            for key in keys:
                post = key.decode()[len(prefix) :]
                yield post, self._post(node, shard, post)
            if cursor == b"0":
                return

    def _post(self, node: Node, shard: int, post: str) -> dict[str, int]:
        liked = self._shards.key(shard, f"l:{post}")
        fields, whole, size = (
            _value(reply)
            for reply in node.call(
                [("HGETALL", self._shards.key(shard, f"c:{post}")), ("SISMEMBER", liked, "*"), ("SCARD", liked)]
            )
        )
        known = {name.decode(): int(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}
        return known | {"members": size - 1 if whole else -1}


def _value(reply: Any) -> Any:
    if isinstance(reply, redis.ResponseError):
        raise CounterUnavailableError(f"Redis: {reply}")
    return reply


def _polled(shard: int, reply: list[Any]) -> Polled:
    life, held, length, oldest, dead, now, queued = reply
    oldest_s = (int(now) - int(oldest.split(b"-")[0])) / 1e6 if oldest else 0.0
    return Polled(shard, int(life), bool(held), length, max(0.0, oldest_s), dead, int(now), int(queued))


def _entry(id_: bytes, fields: list[bytes]) -> Entry:
    # Replacement characters are refused by Postgres' row check or stored as they are: never a crash of the flusher.
    _, post, _, actor, _, op, _, weight = (field.decode("utf-8", "replace") for field in fields)
    text = id_.decode()
    return Entry(text, int(text.split("-")[0]), post, actor, op == "+", int(weight))
