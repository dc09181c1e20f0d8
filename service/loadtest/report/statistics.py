"""Percentiles, and figures over time. Pure."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHARES = (0.0, *(round(1 - 10 ** (-step / 10), 7) for step in range(1, 51)))  # 0 to 99.999 %, closer near the end
_STEPS = 30  # of a chart's time axis, at least


@dataclass(frozen=True, slots=True)
class Times:
    """How long `of` likes took, in ms; None where that many never came to it, as `never` of them did not."""

    of: int
    never: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    curve: list[tuple[float, float]]  # (share of the likes, ms that it took at most)


@dataclass(frozen=True, slots=True)
class Series:
    """A run over time, a number for each step: requests of likes, and ms from due to answer of those due in it."""

    step_s: float
    due: list[int]
    sent: list[int]
    acknowledged: list[int]
    refused: list[int]
    p50_ms: list[float | None]
    p99_ms: list[float | None]


def percentiles(ordered: Sequence[float], *shares: float, never: int = 0) -> list[float | None]:
    """For each share (0 to 1) the smallest of the ordered values that it does not pass; `never`: so many had none."""
    count = len(ordered) + never
    places = [max(0, math.ceil(round(share * count, 6)) - 1) for share in shares]
    return [ordered[place] if place < len(ordered) else None for place in places]


def times(seconds: Iterable[float], never: int = 0) -> Times | None:
    """The figures of so many values; None where there is nothing to measure."""
    ordered = array("d", sorted(seconds))
    if not ordered and not never:
        return None
    p50, p99, p999, most = map(_ms, percentiles(ordered, 0.5, 0.99, 0.999, 1, never=never))
    count = len(ordered) + never
    shares = [share for share in _SHARES if (1 - share) * count >= 1] + [1.0]  # no finer than there are likes
    curve = zip(shares, map(_ms, percentiles(ordered, *shares, never=never)), strict=True)
    return Times(count, never, p50, p99, p999, most, [(share, ms) for share, ms in curve if ms is not None])


def step_of(seconds: float) -> float:
    """A round step, a second at most, so that there are 60 or more."""
    return next((step for step in (1.0, 0.5, 0.2, 0.1, 0.05) if seconds / step >= _STEPS), 0.02)


def per_step(moments: Iterable[float], step_s: float, steps: int) -> list[int]:
    """How many of the moments are in each step."""
    found = Counter(int(moment / step_s) for moment in moments)
    return [found[step] for step in range(steps)]


def over_time(due_and_took: Iterable[tuple[float, float]], step_s: float, steps: int) -> list[list[float | None]]:
    """The p50 and the p99, in ms, of what was due in each step; None where nothing was."""
    by_step: dict[int, list[float]] = defaultdict(list)
    for due, took in due_and_took:
        by_step[int(due / step_s)].append(took)
    found: list[list[float | None]] = [[None] * steps, [None] * steps]
    for step, values in by_step.items():
        for row, value in zip(found, percentiles(sorted(values), 0.5, 0.99), strict=True):
            row[step] = _ms(value)
    return found


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)
