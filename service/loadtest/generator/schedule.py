"""When each like is due: a rate over time, whatever the server does. Pure.

A profile is the inverse of its share of likes over its share of time, so that like `i` of `n` is due at
`seconds * inverse(i / n)`: the sum is exactly `n`, and all are due within the time.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

_PEAK = 0.25  # of the time: when a viral post is at its height
_FOLDS = 3.0  # the rate at either end is e^-3, 5 %, of that at the peak
_SPAN = 1 - math.exp(-_FOLDS)


def flat(share: float) -> float:
    """The same rate all the time."""
    return share


def ramp(share: float) -> float:
    """From 0 to twice the mean in a straight line: after the share x of the time, x² of the likes."""
    return math.sqrt(share)


def viral(share: float) -> float:
    """The rate grows e^3-fold until a quarter of the time, 3.16 times the mean, and decays e^3-fold until the end."""
    if share < _PEAK:
        return max(0.0, _PEAK * (1 + math.log(math.exp(-_FOLDS) + share / _PEAK * _SPAN) / _FOLDS))
    rest = 1 - _PEAK
    return min(1.0, _PEAK - rest / _FOLDS * math.log(1 - (share - _PEAK) / rest * _SPAN))


PROFILES: dict[str, Callable[[float], float]] = {"flat": flat, "ramp": ramp, "viral": viral}
PEAKS = {"flat": 1.0, "ramp": 2.0, "viral": _FOLDS / _SPAN}  # the highest rate over the mean


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each like, from 0 on, is due, in seconds since the start."""

    likes: int
    seconds: float
    profile: str = "flat"
    times: "array[float]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        inverse, likes, seconds = PROFILES[self.profile], self.likes, self.seconds
        times = array("d", (seconds * inverse(like / likes) for like in range(likes)))
        object.__setattr__(self, "times", times)

    def at(self, like: int) -> float:
        """When the like is due."""
        return self.times[like]

    def due(self, elapsed: float) -> int:
        """How many likes are due by then."""
        return bisect_right(self.times, elapsed)
