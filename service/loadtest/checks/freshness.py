"""Prove when a like was first part of a count. Pure.

A count says how many likes are counted, not which. But as long as a like is missing from a count, only other likes that
were sent before this like was acknowledged can be in it. So once a count reaches the number of likes sent until then,
this like included, the like is in it. The proof is never too early. It is late by the likes that were under way, and
by the time to the next sample.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from service.loadtest.generator.recorder import REFUSED, UNKNOWN, Recorder


@dataclass(slots=True)
class Samples:
    """Counts, each with the time of its response by the monotonic clock. `problem` is the first failure's reason."""

    at: "array[float]" = field(default_factory=lambda: array("d"))
    counts: "array[int]" = field(default_factory=lambda: array("q"))
    highest: int = 0
    failed: int = 0
    problem: str = ""

    def add(self, at: float, count: int) -> None:
        """Add a sample."""
        self.at.append(at)
        self.counts.append(count)
        self.highest = max(self.highest, count)

    def add_failure(self, problem: str) -> None:
        """Count a sample that failed."""
        self.failed += 1
        self.problem = self.problem or problem


def proof_levels(
    recorder: Recorder, post_of: Sequence[int], post: int, *, unknown_may_count: bool
) -> Iterator[tuple[int, int]]:
    """Return each acknowledged like of the post, with the count that proves that it is counted.

    `unknown_may_count`: likes of unknown outcome may be among those counted. If none of them is, they are ignored.
    """
    ignored = {REFUSED} if unknown_may_count else {REFUSED, UNKNOWN}
    counts = (at == post and outcome not in ignored for at, outcome in zip(post_of, recorder.outcomes, strict=True))
    sent_before = array("I", accumulate(counts, initial=0))
    pairs = zip(recorder.acknowledged, recorder.sent_by_then, strict=True)
    return ((like, sent_before[sent]) for like, sent in pairs if post_of[like] == post)


def first_proofs(levels: Iterable[tuple[int, int]], samples: Samples) -> tuple[Iterator[tuple[int, float]], int]:
    """Return each like with the time of the first sample that proves it, and the number of likes without a proof."""
    highest = array("q", accumulate(samples.counts, max))
    proven, places, unproven = array("I"), array("I"), 0
    for like, level in levels:
        if (place := bisect_left(highest, level)) < len(highest):
            proven.append(like)
            places.append(place)
        else:
            unproven += 1
    return ((like, samples.at[place]) for like, place in zip(proven, places, strict=True)), unproven
