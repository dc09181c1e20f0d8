"""Wishes on their way to Redis: as a function call's arguments, by shard, and what came back for each."""

from dataclasses import dataclass
from typing import Any

from service.core.likes import LikeRequest, LikeState
from service.errors import LikewiseError, QueueFullError
from service.storage.redis.shard_client import NewEpoch, Redirect

LIKED, CHANGED, MISS, FULL, APPROXIMATE = 1, 2, 4, 8, 16
_MOST_ITEMS = 1_000  # of one function call: Lua unpacks some thousand values at most
_OP = {True: "+", False: "-", None: "?"}
DEGRADED = ("degraded",)  # instead of what was loaded: Postgres is away
_NOTHING = ("",)


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Redis does not hold the post, or the actor: what is loaded is good for this life and number of settles."""

    epoch: bytes
    acks: bytes


@dataclass(slots=True)
class LikeCommand:
    """A wish on its way; `outcome` is set when a batch with it came back."""

    shard: int
    request: LikeRequest
    replicated: bool
    deadline: float
    load: tuple[Any, ...] = _NOTHING
    outcome: LikeState | CacheMiss | NewEpoch | Redirect | LikewiseError | None = None
    epoch: bytes = b""
    version: int = 0

    @property
    def done(self) -> bool:
        """Whether the wish is true, and counted."""
        return isinstance(self.outcome, LikeState)

    def arguments(self) -> tuple[Any, ...]:
        """Of the function, for this wish: what, where, who, and what was loaded for it."""
        return (_OP[self.request.liked] + self.request.trace, self.request.post, self.request.actor, *self.load)


def group_by_shard(calls: list[LikeCommand]) -> list[tuple[int, bool, list[LikeCommand]]]:
    """By shard, questions apart from wishes: questions are answered by a full Redis too."""
    groups: dict[tuple[int, bool], list[LikeCommand]] = {}
    for call in calls:
        groups.setdefault((call.shard, call.request.liked is None), []).append(call)
    return [
        (shard, asking, group[first : first + _MOST_ITEMS])
        for (shard, asking), group in groups.items()
        for first in range(0, len(group), _MOST_ITEMS)
    ]


def decode_reply(calls: list[LikeCommand], reply: Any) -> None:
    """Give each call of a group its part of what the function answered, or what it failed by."""
    if not isinstance(reply, list):
        for call in calls:
            call.outcome = reply
        return
    epoch, acks, as_of, version, *answers = reply
    for at, call in enumerate(calls):
        status, count = answers[2 * at], answers[2 * at + 1]
        call.epoch, call.version = epoch, int(version)
        if status & MISS:
            call.outcome = CacheMiss(epoch, acks)
        elif status & FULL:
            call.outcome = QueueFullError()
        else:
            call.outcome = LikeState(
                post=call.request.post,
                liked=bool(status & LIKED),
                changed=bool(status & CHANGED),
                count=max(count, 0),
                as_of_us=int(as_of),
                approximate=bool(status & APPROXIMATE),
            )
