"""Encoding of like requests as arguments of a Redis function call, and decoding of the reply."""

from dataclasses import dataclass
from typing import Any

from service.core.likes import LikeRequest, LikeState
from service.errors import LikewiseError, QueueFullError
from service.storage.redis.shard_client import NewEpoch, Redirect

# Bits of a status in the reply of `set_like` and `get_like`; likes.lua has the same.
LIKED, CHANGED, MISS, FULL, APPROXIMATE = 1, 2, 4, 8, 16
# Lua can unpack a few thousand values in one call.
_MAX_REQUESTS = 1_000
_OPERATORS = {True: "+", False: "-", None: "?"}
# Sent in place of a snapshot while Postgres is unavailable: Redis then answers from what it has.
DEGRADED = ("degraded",)
_NO_SNAPSHOT = ("",)


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Redis does not hold the post, or does not know the actor.

    A snapshot is accepted only while `epoch` and `acks`, the number of acknowledged batches, are unchanged.
    """

    epoch: bytes
    acks: bytes


@dataclass(slots=True)
class LikeCommand:
    """A like request on its way to Redis. `outcome` is set once its batch has returned."""

    shard: int
    request: LikeRequest
    replicated: bool
    deadline: float
    snapshot: tuple[Any, ...] = _NO_SNAPSHOT
    outcome: LikeState | CacheMiss | NewEpoch | Redirect | LikewiseError | None = None
    epoch: bytes = b""
    version: int = 0

    @property
    def done(self) -> bool:
        """Whether the request was applied and counted."""
        return isinstance(self.outcome, LikeState)

    def encode(self) -> tuple[Any, ...]:
        """Return the arguments of the function call: operator with trace, post, actor, and snapshot."""
        request = self.request
        return (_OPERATORS[request.liked] + request.trace, request.post, request.actor, *self.snapshot)


def group_by_shard(commands: list[LikeCommand]) -> list[tuple[int, bool, list[LikeCommand]]]:
    """Group the commands into function calls of one shard each, as (shard, is_read, commands).

    Reads are separate from writes, because a Redis that is full still answers reads.
    """
    groups: dict[tuple[int, bool], list[LikeCommand]] = {}
    for command in commands:
        groups.setdefault((command.shard, command.request.liked is None), []).append(command)
    return [
        (shard, is_read, group[first : first + _MAX_REQUESTS])
        for (shard, is_read), group in groups.items()
        for first in range(0, len(group), _MAX_REQUESTS)
    ]


def decode_reply(commands: list[LikeCommand], reply: Any) -> None:
    """Set the outcome of each command of a group from the reply to the function call."""
    if not isinstance(reply, list):
        for command in commands:
            command.outcome = reply
        return
    epoch, acks, as_of, version, *results = reply
    for at, command in enumerate(commands):
        status, count = results[2 * at], results[2 * at + 1]
        command.epoch, command.version = epoch, int(version)
        if status & MISS:
            command.outcome = CacheMiss(epoch, acks)
        elif status & FULL:
            command.outcome = QueueFullError()
        else:
            command.outcome = LikeState(
                post=command.request.post,
                liked=bool(status & LIKED),
                changed=bool(status & CHANGED),
                count=max(count, 0),
                as_of_us=int(as_of),
                approximate=bool(status & APPROXIMATE),
            )
