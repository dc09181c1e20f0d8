"""The Queue on Redis Streams: the stream of a shard holds exactly what is pending, so there is no consumer group."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis
import structlog

from service.core.queue import Batch, CommitResult, Entry, ShardStatus
from service.errors import CounterUnavailableError, LikeStoreUnavailableError, LikewiseError
from service.storage.redis.cluster import Command, Node
from service.storage.redis.shard_client import NewEpoch, Redirect, ShardClient

log = structlog.get_logger(__name__)

SnapshotSource = Mapping[str, tuple[int, int]]


class RedisStreamQueue:
    """The streams of some shards; see `service.core.queue.Queue`."""

    def __init__(self, shards: ShardClient, held: Sequence[int], settled_ttl_s: int) -> None:
        self._shards = shards
        self.shards = held
        self._ttl_s = settled_ttl_s

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """One pipeline a node; a node that is away is said and left out. `owner` '' only looks."""
        asked = self.shards if shards is None else shards
        commands = {shard: self._shards.command("poll", shard, owner, lease_ms) for shard in asked}
        return [_status(shard, reply) for shard, reply in self._ask(commands)]

    def _ask(self, commands: Mapping[int, Command]) -> list[tuple[int, Any]]:
        """Each shard's reply to its command, of those that answer with one; what else they say is seen to."""
        answered: list[tuple[int, Any]] = []
        moved = False
        for node, shards in self._by_node(commands).items():
            try:
                replies = self._shards.call(node, [commands[shard] for shard in shards])
            except CounterUnavailableError as error:
                log.warning("redis node away", reason=str(error), shards=len(shards))
                moved = True
                continue
            for shard, reply in zip(shards, replies, strict=True):
                if isinstance(reply, (list, int)):
                    answered.append((shard, reply))
                else:
                    moved |= self._attend(shard, reply)
        if moved:
            self._shards.cluster.refresh()
        return answered

    def _by_node(self, shards: Iterable[int]) -> dict[Node, list[int]]:
        by_node: dict[Node, list[int]] = defaultdict(list)
        for shard in shards:
            try:
                by_node[self._shards.node(shard)].append(shard)
            except CounterUnavailableError:
                self._shards.cluster.refresh()
        return by_node

    def _attend(self, shard: int, reply: Any) -> bool:
        if isinstance(reply, NewEpoch):
            try:
                self._shards.start_epoch(shard, reply)
            except (LikeStoreUnavailableError, CounterUnavailableError) as error:
                log.warning("epoch not started", shard=shard, reason=str(error))
        elif isinstance(reply, LikewiseError):
            log.warning("shard failed", shard=shard, reason=str(reply))
        return isinstance(reply, Redirect)

    def read(self, polled: Sequence[ShardStatus], most: int) -> list[Batch]:
        """See `service.core.queue.Queue`; one pipeline a node."""
        epochs = {one.shard: one.epoch for one in polled}
        replies = self._ask({shard: self._range(shard, "-", "+", most) for shard in epochs})
        return [Batch(shard, epochs[shard], [_entry(*pair) for pair in reply]) for shard, reply in replies]

    def read_through(self, batch: Batch, version: int) -> Batch:
        """See `service.core.queue.Queue`."""
        command = self._range(batch.shard, f"({batch.entries[-1].id}", f"{version}-0")
        answered = self._ask({batch.shard: command})
        if not answered:
            raise CounterUnavailableError(f"shard {batch.shard} is not read on from {batch.entries[-1].id}")
        more = [_entry(*pair) for pair in answered[0][1]]
        return Batch(batch.shard, batch.epoch, [*batch.entries, *more])

    def acknowledge(self, done: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """See `service.core.queue.Queue`; one pipeline a node."""
        commands = {batch.shard: self._acknowledgement(batch, committed.bases) for batch, committed in done}
        acknowledged = {shard for shard, reply in self._ask(commands) if reply == 1}
        return [batch.shard in acknowledged for batch, _ in done]

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        """See `service.core.queue.Queue`."""
        command = self._acknowledgement(batch, {}, batch.entries[0].id, reason)
        return [reply for _, reply in self._ask({batch.shard: command})] == [1]

    def _range(self, shard: int, first: str, last: str, most: int = 0) -> Command:
        command = ("XRANGE", self._shards.key(shard, "q"), first, last)
        return (*command, "COUNT", most) if most else command

    def _acknowledgement(self, batch: Batch, bases: SnapshotSource, dead: str = "", reason: str = "") -> Command:
        args: list[Any] = [batch.epoch, batch.entries[0].id, batch.entries[-1].id, self._ttl_s, dead, reason]
        for post, (weight, entries) in batch.sums().items():
            args += (post, weight, entries, *bases.get(post, (0, -1)))
        return self._shards.command("acknowledge", batch.shard, *args)

    def end_epoch(self, shard: int, epoch: int) -> None:
        """See `service.core.queue.Queue`."""
        self._shards.cluster.refresh()
        self._shards.call_one("end_epoch", shard, epoch)

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


def _status(shard: int, reply: list[Any]) -> ShardStatus:
    epoch, held, length, oldest, dead, now, queued = reply
    oldest_s = (int(now) - int(oldest.split(b"-")[0])) / 1e6 if oldest else 0.0
    return ShardStatus(shard, int(epoch), bool(held), length, max(0.0, oldest_s), dead, int(now), int(queued))


def _entry(id_: bytes, fields: list[bytes]) -> Entry:
    # Replacement characters are refused by Postgres' row check or stored as they are: never a crash of the flusher.
    _, post, _, actor, _, op, _, weight, *more = (field.decode("utf-8", "replace") for field in fields)
    text = id_.decode()
    return Entry(text, int(text.split("-")[0]), post, actor, op == "+", int(weight), more[1] if more else "")
