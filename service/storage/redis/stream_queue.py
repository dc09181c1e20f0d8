"""The Queue on Redis Streams.

The stream of a shard holds exactly what is not in Postgres yet, so no consumer group is needed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis
import structlog

from service.core.queue import Batch, CommitResult, Entry, ShardStatus
from service.errors import CounterUnavailableError, LikeStoreUnavailableError, LikewiseError
from service.storage.redis.node import Node, RedisCommand
from service.storage.redis.shard_client import NewEpoch, Redirect, ShardClient

log = structlog.get_logger(__name__)


class RedisStreamQueue:
    """The streams of the assigned shards; see `service.core.queue.Queue`."""

    def __init__(self, shard_client: ShardClient, assigned: Sequence[int], ttl_s: int) -> None:
        self._shard_client = shard_client
        self.shards = assigned
        self._ttl_s = ttl_s

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """See `service.core.queue.Queue`. A node that does not answer is logged, and its shards are left out."""
        polled = self.shards if shards is None else shards
        commands = {shard: self._shard_client.command("poll", shard, owner, lease_ms) for shard in polled}
        return [_status(shard, reply) for shard, reply in self._call(commands)]

    def _call(self, commands: Mapping[int, RedisCommand]) -> list[tuple[int, Any]]:
        """Return (shard, reply) of each command that was executed, in one pipeline per node.

        Other replies are handled here: a new epoch is started, and a redirect refreshes the slot map.
        """
        answered: list[tuple[int, Any]] = []
        must_refresh = False
        for node, shards in self._by_node(commands).items():
            try:
                replies = self._shard_client.call(node, [commands[shard] for shard in shards])
            except CounterUnavailableError as error:
                log.warning("redis node does not answer", reason=str(error), shards=len(shards))
                must_refresh = True
                continue
            for shard, reply in zip(shards, replies, strict=True):
                if isinstance(reply, (list, int)):
                    answered.append((shard, reply))
                else:
                    must_refresh |= self._handle_exception(shard, reply)
        if must_refresh:
            self._shard_client.cluster.refresh()
        return answered

    def _by_node(self, shards: Iterable[int]) -> dict[Node, list[int]]:
        by_node: dict[Node, list[int]] = defaultdict(list)
        for shard in shards:
            try:
                by_node[self._shard_client.node(shard)].append(shard)
            except CounterUnavailableError:
                self._shard_client.cluster.refresh()
        return by_node

    def _handle_exception(self, shard: int, reply: Any) -> bool:
        """Start a new epoch, or log an error. Return True if the slot map must be read again."""
        if isinstance(reply, NewEpoch):
            try:
                self._shard_client.start_epoch(shard, reply)
            except (LikeStoreUnavailableError, CounterUnavailableError) as error:
                log.warning("epoch not started", shard=shard, reason=str(error))
        elif isinstance(reply, LikewiseError):
            log.warning("shard failed", shard=shard, reason=str(reply))
        return isinstance(reply, Redirect)

    def read(self, statuses: Sequence[ShardStatus], limit: int) -> list[Batch]:
        """See `service.core.queue.Queue`; one pipeline per node."""
        epochs = {status.shard: status.epoch for status in statuses}
        replies = self._call({shard: self._range(shard, "-", "+", limit) for shard in epochs})
        return [Batch(shard, epochs[shard], [_entry(*pair) for pair in reply]) for shard, reply in replies]

    def read_through(self, batch: Batch, version: int) -> Batch:
        """See `service.core.queue.Queue`."""
        command = self._range(batch.shard, f"({batch.entries[-1].id}", f"{version}-0")
        answered = self._call({batch.shard: command})
        if not answered:
            raise CounterUnavailableError(
                f"shard {batch.shard}: entries after {batch.entries[-1].id} could not be read"
            )
        more = [_entry(*pair) for pair in answered[0][1]]
        return Batch(batch.shard, batch.epoch, [*batch.entries, *more])

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """See `service.core.queue.Queue`; one pipeline per node."""
        commands = {batch.shard: self._acknowledgement(batch, result.counts) for batch, result in committed}
        acknowledged = {shard for shard, reply in self._call(commands) if reply == 1}
        return [batch.shard in acknowledged for batch, _ in committed]

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        """See `service.core.queue.Queue`."""
        command = self._acknowledgement(batch, {}, batch.entries[0].id, reason)
        return [reply for _, reply in self._call({batch.shard: command})] == [1]

    def _range(self, shard: int, first: str, last: str, limit: int = 0) -> RedisCommand:
        command = ("XRANGE", self._shard_client.key(shard, "q"), first, last)
        return (*command, "COUNT", limit) if limit else command

    def _acknowledgement(
        self, batch: Batch, counts: Mapping[str, tuple[int, int]], dead_id: str = "", reason: str = ""
    ) -> RedisCommand:
        args: list[Any] = [batch.epoch, batch.entries[0].id, batch.entries[-1].id, self._ttl_s, dead_id, reason]
        for post, (weight, entries) in batch.sums().items():
            args += (post, weight, entries, *counts.get(post, (0, -1)))
        return self._shard_client.command("acknowledge", batch.shard, *args)

    def end_epoch(self, shard: int, epoch: int) -> None:
        """See `service.core.queue.Queue`."""
        self._shard_client.cluster.refresh()
        self._shard_client.call_one("end_epoch", shard, epoch)

    def posts(self, shard: int) -> Iterable[tuple[str, dict[str, int]]]:
        """See `service.core.verify.RedisState`."""
        prefix, node = self._shard_client.key(shard, "c:"), self._shard_client.node(shard)
        cursor = b"0"
        while True:
            cursor, keys = _value(node.call([("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1000)])[0])
            for key in keys:
                post = key.decode()[len(prefix) :]
                yield post, self._post(node, shard, post)
            if cursor == b"0":
                return

    def _post(self, node: Node, shard: int, post: str) -> dict[str, int]:
        likers = self._shard_client.key(shard, f"l:{post}")
        fields, is_complete, size = (
            _value(reply)
            for reply in node.call(
                [("HGETALL", self._shard_client.key(shard, f"c:{post}")), ("SISMEMBER", likers, "*"), ("SCARD", likers)]
            )
        )
        values = {name.decode(): int(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}
        return values | {"members": size - 1 if is_complete else -1}


def _value(reply: Any) -> Any:
    if isinstance(reply, redis.ResponseError):
        raise CounterUnavailableError(f"Redis: {reply}")
    return reply


def _status(shard: int, reply: list[Any]) -> ShardStatus:
    epoch, leased, length, oldest, dead_letters, now, queued = reply
    oldest_s = (int(now) - int(oldest.split(b"-")[0])) / 1e6 if oldest else 0.0
    return ShardStatus(shard, int(epoch), bool(leased), length, max(0.0, oldest_s), dead_letters, int(now), int(queued))


def _entry(id_: bytes, fields: list[bytes]) -> Entry:
    # The names of the fields differ between releases; their order does not.
    _, post, _, actor, _, op, _, weight, *more = fields
    version = int(id_.partition(b"-")[0])
    trace = _text(more[1]) if more else ""
    return Entry(id_.decode(), version, _text(post), _text(actor), op == b"+", int(weight), trace)


def _text(field: bytes) -> str:
    # An invalid byte must not crash the flusher. Postgres' checks refuse replacement characters, or store them.
    return field.decode("utf-8", "replace")
