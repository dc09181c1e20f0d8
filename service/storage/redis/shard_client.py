"""One function call to one shard, wherever it lives now: load, redirect, next life, tell errors apart."""

from dataclasses import dataclass
from typing import Any, Protocol

import redis

from service.errors import CounterUnavailableError, LikewiseError, QueueFullError
from service.sharding import slot_of_shard, tags
from service.storage.redis.cluster import Cluster, Command, Node
from service.storage.redis.functions import SOURCE, name_of

_PASSING = ("TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "READONLY", "BUSY", "NOREPLICAS", "UNKILLABLE")


class EpochStore(Protocol):
    """Where a shard's life is registered. Raises LikeStoreUnavailableError."""

    def acquire_epoch(self, shard: int, name: str) -> tuple[int, int]:
        """Raise the life of the shard unless `name` has it already; (life, last version)."""


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The server at `node` is another process than the shard's life; `candidate` is the next life's name."""

    candidate: str
    node: Node


@dataclass(frozen=True, slots=True)
class Redirect:
    """Not done, and worth asking again once `again_at` (ASK) or the slot map says where."""

    reason: str
    ask: tuple[str, int] | None = None


class ShardClient:
    """Calls functions on shards, and gives a shard a new life when its server is another process."""

    def __init__(self, cluster: Cluster, epochs: EpochStore, shards: int) -> None:
        self.cluster = cluster
        self._epochs = epochs
        self._tags = tags(shards)
        self._slots = [slot_of_shard(shard) for shard in range(shards)]

    def key(self, shard: int, kind: str = "v") -> str:
        """A key of the shard: `v`, `q`, `dead`, or `c:`, `l:`, `u:` and a post."""
        return f"{{{self._tags[shard]}}}{kind}"

    def node(self, shard: int) -> Node:
        """The node that serves the shard, as far as the slot map knows."""
        return self.cluster.of_slot(self._slots[shard])

    def command(self, function: str, shard: int, *args: Any) -> Command:
        """The FCALL of a function on a shard's header."""
        return ("FCALL", name_of(function), 1, self.key(shard), *args)

    def call(self, node: Node, commands: list[Command]) -> list[Any]:
        """Replies of FCALLs, in order, each a list or int, NewLife, Moved, or a LikewiseError to raise."""
        replies = node.call(commands)
        absent = [at for at, reply in enumerate(replies) if _is_absent(reply)]
        if absent:
            node.call([("FUNCTION", "LOAD", SOURCE)])
            again = node.call([commands[at] for at in absent])
            for at, reply in zip(absent, again, strict=True):
                replies[at] = reply
        return [_sorted_out(reply, node) for reply in replies]

    def call_one(self, function: str, shard: int, *args: Any) -> Any:
        """One call, begun a new life for if it needs one. Raises CounterUnavailableError where it moved."""
        for _ in range(3):
            node = self.node(shard)
            reply = self.call(node, [self.command(function, shard, *args)])[0]
            if isinstance(reply, LikewiseError):
                raise reply
            if isinstance(reply, NewEpoch):
                self.start_epoch(shard, reply)
            elif isinstance(reply, Redirect):
                self.cluster.refresh()
            else:
                return reply
        raise CounterUnavailableError(f"shard {shard} is moving between Redis nodes")

    def start_epoch(self, shard: int, new: NewEpoch) -> None:
        """Register the next life in Postgres, then begin it in Redis; another caller's having done so is fine.

        The slot map is read again first: a primary that was replaced must not be given a life.
        """
        self.cluster.refresh()
        if self.node(shard) is not new.node:
            return
        epoch, version = self._epochs.acquire_epoch(shard, new.candidate)
        reply = self.call(new.node, [self.command("start_epoch", shard, new.candidate, epoch, version)])[0]
        if isinstance(reply, LikewiseError):
            raise reply


def _sorted_out(reply: Any, node: Node) -> Any:
    if isinstance(reply, redis.ResponseError):
        return _from_error(reply)
    if isinstance(reply, list) and reply and reply[0] == b"NEWEPOCH":
        return NewEpoch(reply[1].decode(), node)
    return reply


def _is_absent(reply: Any) -> bool:
    return isinstance(reply, redis.ResponseError) and "Function not found" in str(reply)


def _from_error(error: redis.ResponseError) -> Redirect | LikewiseError:
    if isinstance(error, redis.exceptions.AskError):
        return Redirect(str(error), ask=(error.host, error.port))
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM" in str(error):
        return QueueFullError()
    if isinstance(error, (redis.exceptions.ClusterError, redis.exceptions.MovedError, redis.BusyLoadingError)):
        return Redirect(str(error))
    if isinstance(error, redis.ReadOnlyError) or str(error).startswith(_PASSING) or _is_absent(error):
        return Redirect(str(error))
    return CounterUnavailableError(f"Redis: {error}")
