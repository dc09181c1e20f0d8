"""Count the likes that were sent late, because no connection was free or the load test had no time. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

# A like is late if it is sent more than this after it was due.
LATE_S = 0.1


@dataclass(frozen=True, slots=True)
class Lateness:
    """Likes that were sent late, those of them sent after the planned end, and by how much they were late."""

    likes: int = 0
    after_end: int = 0
    p50_s: float = 0.0
    max_s: float = 0.0

    def __str__(self) -> str:
        by = f"{self.p50_s:,.1f} s at the median and {self.max_s:,.1f} s at most"
        return f"{self.likes:,} likes were sent late, by {by}; {self.after_end:,} of them after the planned end"


def measure_lateness(due: Sequence[float], sent_at: Sequence[float], planned_s: float) -> Lateness:
    """Return how late likes were sent. `due` is the schedule, `sent_at` has one item for each like that was sent."""
    late = sorted(at - then for then, at in zip(due, sent_at, strict=False) if at - then > LATE_S)
    if not late:
        return Lateness()
    first = bisect_right(sent_at, planned_s)
    after_end = sum(at - due[like] > LATE_S for like, at in enumerate(sent_at[first:], first))
    return Lateness(len(late), after_end, round(late[(len(late) - 1) // 2], 3), round(late[-1], 3))
