"""When a like was first surely among those that someone counted. Pure.

A number says how many likes are counted, not which. But while a like is missing from a count, only others that were
sent before it was acknowledged can be in it. So once a count is as high as the number of likes sent until then, itself
among them, this like is in it. That is never too early; it is late by what was on the way, and by the time to the
next look.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from service.loadtest.generator.recorder import REFUSED, UNKNOWN, Tally


@dataclass(slots=True)
class Looks:
    """Counts as they were seen, each at the time its answer had come, by the monotonic clock."""

    at: "array[float]" = field(default_factory=lambda: array("d"))
    counts: "array[int]" = field(default_factory=lambda: array("q"))
    most: int = 0
    failed: int = 0
    problem: str = ""  # what the first failure said

    def add(self, at: float, count: int) -> None:
        """One more look."""
        self.at.append(at)
        self.counts.append(count)
        self.most = max(self.most, count)

    def fail(self, problem: str) -> None:
        """A look that saw nothing."""
        self.failed += 1
        self.problem = self.problem or problem


def levels(tally: Tally, post_of: Sequence[int], post: int, *, doubtful: bool) -> Iterator[tuple[int, int]]:
    """Each acknowledged like of the post with the count that proves it to be counted.

    `doubtful`: likes of unknown outcome may have counted; where it is known that none did, they prove nothing.
    """
    out = {REFUSED} if doubtful else {REFUSED, UNKNOWN}
    counts = (at == post and outcome not in out for at, outcome in zip(post_of, tally.outcomes, strict=True))
    sent_before = array("I", accumulate(counts, initial=0))
    pairs = zip(tally.acknowledged, tally.sent_then, strict=True)
    return ((like, sent_before[sent]) for like, sent in pairs if post_of[like] == post)


def covered(needed: Iterable[tuple[int, int]], looks: Looks) -> tuple[Iterator[tuple[int, float]], int]:
    """Each like with the time of the first look that proves it; and how many likes no look proves."""
    highest = array("q", accumulate(looks.counts, max))
    proven, places, never = array("I"), array("I"), 0
    for like, level in needed:
        if (place := bisect_left(highest, level)) < len(highest):
            proven.append(like)
            places.append(place)
        else:
            never += 1
    return ((like, looks.at[place]) for like, place in zip(proven, places, strict=True)), never
