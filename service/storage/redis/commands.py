"""Encoding of like requests as arguments of a Redis function call, and decoding of the reply."""

import time
from collections.abc import Callable
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


def no_callback(_: object) -> None:
    """Do nothing: the caller of the command waits for its outcome."""


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
    # Called with the outcome, if nobody waits for it.
    callback: Callable[[LikeState | Exception], None] = no_callback

    @property
    def done(self) -> bool:
        """Whether the request was applied and counted."""
        return isinstance(self.outcome, LikeState)

    def encode(self) -> tuple[Any, ...]:
        """Return the arguments of the function call: operator with trace, post, actor, and snapshot."""
        request = self.request
        return (_OPERATORS[request.liked] + request.trace, request.post, request.actor, *self.snapshot)

    def encode_bulk(self) -> bytes:
        """Return the arguments of a request without a trace or a snapshot, as bulk strings of RESP."""
        post, actor = self.request.post.encode(), self.request.actor.encode()
        return b"$1\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$0\r\n\r\n" % (
            b"+" if self.request.liked else b"-",
            len(post),
            post,
            len(actor),
            actor,
        )


def bulk_strings(*parts: bytes) -> bytes:
    """Return bulk strings of RESP."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


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


def within_deadline(commands: list[LikeCommand]) -> list[LikeCommand]:
    """Return the commands that are still in time; the others get their outcome here."""
    now = time.monotonic()
    for late in (command for command in commands if command.deadline <= now):
        late.outcome = Redirect("it waited past its deadline")
    return [command for command in commands if command.deadline > now]


def decode_reply(commands: list[LikeCommand], reply: Any) -> None:
    """Set the outcome of each command of a group from the reply to the function call."""
    if not isinstance(reply, list):
        for command in commands:
            command.outcome = reply
        return
    epoch, acks, as_of_us, version = reply[0], reply[1], int(reply[2]), int(reply[3])
    for at, command in enumerate(commands):
        status, count = reply[4 + 2 * at], reply[5 + 2 * at]
        command.epoch, command.version = epoch, version
        if status & MISS:
            command.outcome = CacheMiss(epoch, acks)
        elif status & FULL:
            command.outcome = QueueFullError()
        else:
            liked, changed, approximate = status & LIKED != 0, status & CHANGED != 0, status & APPROXIMATE != 0
            count = count if count > 0 else 0
            command.outcome = LikeState(command.request.post, liked, changed, count, as_of_us, approximate)
