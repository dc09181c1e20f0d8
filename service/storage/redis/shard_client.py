"""Function calls to shards: they follow redirects, load missing functions and start new epochs."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import redis

from service.errors import CounterUnavailableError, LikewiseError, QueueFullError
from service.sharding import slot_of_shard, tags
from service.storage.coalescer import Coalescer
from service.storage.redis.cluster import Cluster
from service.storage.redis.functions import SOURCE, name_of
from service.storage.redis.node import Node, RedisCommand

_TRANSIENT_ERRORS = (
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "LOADING",
    "READONLY",
    "BUSY",
    "NOREPLICAS",
    "UNKILLABLE",
)
_CALL_ATTEMPTS = 3


class EpochStore(Protocol):
    """The register of the shards' epochs. Raises LikeStoreUnavailableError."""

    def acquire_epoch(self, shard: int, name: str) -> tuple[int, int]:
        """Raise the epoch of the shard unless it has this name already. Return (epoch, last version)."""


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The process that serves the shard did not start its epoch. `candidate` is the name of the next epoch."""

    candidate: str
    node: Node


@dataclass(frozen=True, slots=True)
class Redirect:
    """The call was not made, and is worth repeating: at `ask` (an ASK redirect), or where the slot map says."""

    reason: str
    ask: tuple[str, int] | None = None


class ShardClient:
    """Calls Redis functions on shards, and starts a new epoch of a shard that is served by another process."""

    def __init__(self, cluster: Cluster, epochs: EpochStore, shards: int) -> None:
        self.cluster = cluster
        self._epochs = epochs
        self._tags = tags(shards)
        self._slots = [slot_of_shard(shard) for shard in range(shards)]
        self._epoch_starts: dict[int, Coalescer[_EpochStart]] = {}
        # The name of the last epoch that this process has started, by shard.
        self._started: dict[int, str] = {}

    def key(self, shard: int, kind: str = "v") -> str:
        """Return a key of the shard: `v`, `q`, `dead`, or `c:`, `l:` or `u:` and a post."""
        return f"{{{self._tags[shard]}}}{kind}"

    def node(self, shard: int) -> Node:
        """Return the node that serves the shard according to the slot map."""
        return self.cluster.of_slot(self._slots[shard])

    def known_node(self, shard: int) -> Node | None:
        """Return the same without waiting. None until the slot map has been read."""
        return self.cluster.known_of_slot(self._slots[shard])

    def command(self, function: str, shard: int, *args: Any) -> RedisCommand:
        """Return the FCALL of a function on a shard's header."""
        return ("FCALL", name_of(function), 1, self.key(shard), *args)

    def call(self, node: Node, commands: list[RedisCommand]) -> list[Any]:
        """Return the replies to FCALLs, in order.

        A reply is a list, an int, a NewEpoch, a Redirect, or a LikewiseError for the caller to raise.
        """
        replies = node.call(commands)
        missing = [at for at, reply in enumerate(replies) if _is_function_missing(reply)]
        if missing:
            node.call([("FUNCTION", "LOAD", SOURCE)])
            again = node.call([commands[at] for at in missing])
            for at, reply in zip(missing, again, strict=True):
                replies[at] = reply
        return [classify(reply, node) for reply in replies]

    def call_one(self, function: str, shard: int, *args: Any) -> Any:
        """Call a function once, starting a new epoch if needed.

        Raises CounterUnavailableError if the shard is moving.
        """
        for _ in range(_CALL_ATTEMPTS):
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
        """Register the next epoch in Postgres, then start it in Redis. Another caller may have done so already.

        After a failover each like that is under way meets the new epoch. Callers of a process start it together, once.
        """
        start = _EpochStart(new)
        self._epoch_starts.setdefault(shard, Coalescer(partial(self._start_together, shard))).submit([start])
        if start.error:
            raise start.error

    def _start_together(self, shard: int, starts: list["_EpochStart"]) -> None:
        new = starts[-1].new
        try:
            if self._started.get(shard) != new.candidate:
                self._start(shard, new)
        except LikewiseError as error:
            for start in starts:
                start.error = error

    def _start(self, shard: int, new: NewEpoch) -> None:
        # The slot map is read again first: a primary that was replaced must not get an epoch.
        self.cluster.refresh()
        if self.node(shard) is not new.node:
            return
        epoch, version = self._epochs.acquire_epoch(shard, new.candidate)
        reply = self.call(new.node, [self.command("start_epoch", shard, new.candidate, epoch, version)])[0]
        if isinstance(reply, LikewiseError):
            raise reply
        if not isinstance(reply, Redirect):
            self._started[shard] = new.candidate


@dataclass(slots=True)
class _EpochStart:
    """One caller's request to start an epoch, and the error that it gets."""

    new: NewEpoch
    error: LikewiseError | None = None


def classify(reply: Any, node: Node) -> Any:
    """Return an error reply as the error it stands for, and an offered name as a NewEpoch. Other replies stay."""
    if isinstance(reply, redis.ResponseError):
        return _from_error(reply)
    if isinstance(reply, list) and reply and reply[0] == b"NEWEPOCH":
        return NewEpoch(reply[1].decode(), node)
    return reply


def _is_function_missing(reply: Any) -> bool:
    return isinstance(reply, redis.ResponseError) and "Function not found" in str(reply)


def _from_error(error: redis.ResponseError) -> Redirect | LikewiseError:
    if isinstance(error, redis.exceptions.AskError):
        return Redirect(str(error), ask=(error.host, error.port))
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM" in str(error):
        return QueueFullError()
    if isinstance(error, (redis.exceptions.ClusterError, redis.exceptions.MovedError, redis.BusyLoadingError)):
        return Redirect(str(error))
    is_transient = isinstance(error, redis.ReadOnlyError) or str(error).startswith(_TRANSIENT_ERRORS)
    if is_transient or _is_function_missing(error):
        return Redirect(str(error))
    return CounterUnavailableError(f"Redis: {error}")
