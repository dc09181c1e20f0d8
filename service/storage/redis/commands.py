"""Wishes on their way to Redis: as a function call's arguments, by shard, and what came back for each."""

from dataclasses import dataclass
from typing import Any

from service.core.likes import Standing, Wish
from service.errors import LikewiseError, QueueFullError
from service.storage.redis.shard_client import Moved, NewLife

LIKED, CHANGED, MISS, FULL, APPROXIMATE = 1, 2, 4, 8, 16
_MOST_ITEMS = 1_000  # of one function call: Lua unpacks some thousand values at most
_OP = {True: "+", False: "-", None: "?"}
BLIND = ("blind",)  # instead of what was loaded: Postgres is away
_NOTHING = ("",)


@dataclass(frozen=True, slots=True)
class Missed:
    """Redis does not hold the post, or the actor: what is loaded is good for this life and number of settles."""

    life: bytes
    settles: bytes


@dataclass(slots=True)
class Call:
    """A wish on its way; `outcome` is set when a batch with it came back."""

    shard: int
    wish: Wish
    replicated: bool
    deadline: float
    load: tuple[Any, ...] = _NOTHING
    outcome: Standing | Missed | NewLife | Moved | LikewiseError | None = None
    life: bytes = b""
    version: int = 0

    @property
    def done(self) -> bool:
        """Whether the wish is true, and counted."""
        return isinstance(self.outcome, Standing)

    def arguments(self) -> tuple[Any, ...]:
        """Of the function, for this wish: what, where, who, and what was loaded for it."""
        return (_OP[self.wish.liked] + self.wish.trace, self.wish.post, self.wish.actor, *self.load)


def grouped(calls: list[Call]) -> list[tuple[int, bool, list[Call]]]:
    """By shard, questions apart from wishes: questions are answered by a full Redis too."""
    groups: dict[tuple[int, bool], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.shard, call.wish.liked is None), []).append(call)
    return [
        (shard, asking, group[first : first + _MOST_ITEMS])
        for (shard, asking), group in groups.items()
        for first in range(0, len(group), _MOST_ITEMS)
    ]


def deliver(calls: list[Call], reply: Any) -> None:
    """Give each call of a group its part of what the function answered, or what it failed by."""
    if not isinstance(reply, list):
        for call in calls:
            call.outcome = reply
        return
    life, settles, as_of, version, *answers = reply
    for at, call in enumerate(calls):
        status, count = answers[2 * at], answers[2 * at + 1]
        call.life, call.version = life, int(version)
        if status & MISS:
            call.outcome = Missed(life, settles)
        elif status & FULL:
            call.outcome = QueueFullError()
        else:
            call.outcome = Standing(
                post=call.wish.post,
                liked=bool(status & LIKED),
                changed=bool(status & CHANGED),
                count=max(count, 0),
                as_of_us=int(as_of),
                approximate=bool(status & APPROXIMATE),
            )
