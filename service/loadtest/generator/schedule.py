"""Decide when each like is due: a rate over time that does not depend on the server. Pure.

A profile maps a share of the likes to the share of the time by which they are due. Like `i` of `n` is due at
`seconds * profile(i / n)`, so that exactly `n` likes are due within the time.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

# A viral post reaches its highest rate after this share of the time.
_PEAK = 0.25
# The rate at either end is e^-3, 5 %, of the highest rate.
_FOLDS = 3.0
_SPAN = 1 - math.exp(-_FOLDS)


def flat(share: float) -> float:
    """Keep the same rate all the time."""
    return share


def ramp(share: float) -> float:
    """Raise the rate linearly from 0 to twice the mean: x² of the likes are due after the share x of the time."""
    return math.sqrt(share)


def viral(share: float) -> float:
    """Raise the rate e^3-fold to 3.16 times the mean at a quarter of the time, then lower it e^3-fold to the end."""
    if share < _PEAK:
        return max(0.0, _PEAK * (1 + math.log(math.exp(-_FOLDS) + share / _PEAK * _SPAN) / _FOLDS))
    rest = 1 - _PEAK
    return min(1.0, _PEAK - rest / _FOLDS * math.log(1 - (share - _PEAK) / rest * _SPAN))


PROFILES: dict[str, Callable[[float], float]] = {"flat": flat, "ramp": ramp, "viral": viral}
# The highest rate of each profile, over the mean.
PEAKS = {"flat": 1.0, "ramp": 2.0, "viral": _FOLDS / _SPAN}

# A wake-up costs more CPU time than a request. Above this rate, what happens within a turn is handled together.
_FAST = 1_000
_TURN_S = 0.004
# With few connections, long turns would lower the rate.
_MAX_SHARE_PER_TURN = 0.25


def turn_length(rate: float, connections: int) -> float:
    """Return the seconds between two turns of sending and receiving, 0 for a slow run. `rate`: the highest one."""
    if rate <= _FAST:
        return 0.0
    return min(_TURN_S, _MAX_SHARE_PER_TURN * connections / rate)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The time at which each like is due, in seconds since the start."""

    likes: int
    seconds: float
    profile: str = "flat"
    times: "array[float]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        profile, likes, seconds = PROFILES[self.profile], self.likes, self.seconds
        times = array("d", (seconds * profile(like / likes) for like in range(likes)))
        object.__setattr__(self, "times", times)

    @property
    def peak(self) -> float:
        """The highest rate, in likes per second."""
        return PEAKS[self.profile] * self.likes / self.seconds

    def at(self, like: int) -> float:
        """Return when the like is due."""
        return self.times[like]

    def due(self, elapsed: float) -> int:
        """Return how many likes are due after `elapsed` seconds."""
        return bisect_right(self.times, elapsed)
