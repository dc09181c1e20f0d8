"""What came back while likes were sent: counted once each, and timed. Pure."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """The answers of a run. `acknowledged` has one number a post; like `i` is for post `i % posts`."""

    posts: int
    acknowledged: list[int] = field(init=False)
    statuses: Counter[int] = field(default_factory=Counter)
    details: dict[int, str] = field(default_factory=dict)  # what the first refusal of each status said
    times: "array[float]" = field(default_factory=lambda: array("d"))
    sent: int = 0  # likes that were sent at least once
    repeated: int = 0  # 200 though sent once: someone on the way sent it twice
    retried: int = 0  # sent again as the connection was lost
    dropped: int = 0  # connections lost while an answer was due
    refused: int = 0  # connections that could not be opened
    lost: int = 0  # likes lost with their connection twice
    strangers: int = 0  # answers to a token the server did not know
    unanswered: int = 0  # still without answer at the end
    connections: int = 0  # open at once, at most

    def __post_init__(self) -> None:
        self.acknowledged = [0] * self.posts

    def answer(self, like: int, status: int, seconds: float, *, again: bool, stranger: bool) -> None:
        """One answer, `seconds` after its like was due; `again`: to the second try."""
        self.statuses[status] += 1
        self.strangers += stranger
        if status == 201 or (status == 200 and again):
            self.acknowledged[like % self.posts] += 1
            self.times.append(seconds)
        elif status == 200:
            self.repeated += 1

    @property
    def answered(self) -> int:
        """Likes with an answer, of whatever kind."""
        return self.statuses.total()


def percentiles(values: Sequence[float], *shares: float) -> list[float]:
    """The smallest value that the share (0 to 1) of all does not pass, for each share; NaN where there is none."""
    ordered = sorted(values)
    if not ordered:
        return [math.nan for _ in shares]
    return [ordered[max(0, math.ceil(round(share * len(ordered), 6)) - 1)] for share in shares]
