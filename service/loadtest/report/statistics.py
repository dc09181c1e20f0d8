"""Compute percentiles, and figures over time. Pure."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# The shares of a percentile curve: 0 to 99.999 %, closer to each other near the end.
_SHARES = (0.0, *(round(1 - 10 ** (-step / 10), 7) for step in range(1, 51)))
# Minimum number of steps on a chart's time axis.
_MIN_STEPS = 30


@dataclass(frozen=True, slots=True)
class TimeSummary:
    """Durations of `of` likes in ms, of which `never` have none. A percentile is None if it falls among those.

    `curve` holds pairs of a share of the likes and the longest duration within it.
    """

    of: int
    never: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    curve: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    """Figures of a run for each step of time: numbers of likes, and response times in ms of those due in it."""

    step_s: float
    due: list[int]
    sent: list[int]
    acknowledged: list[int]
    refused: list[int]
    p50_ms: list[float | None]
    p99_ms: list[float | None]


def percentiles(ordered: Sequence[float], *shares: float, never: int = 0) -> list[float | None]:
    """Return for each share (0 to 1) the smallest ordered value that this share does not exceed.

    `never` is the number of further values that are infinite. They are returned as None.
    """
    count = len(ordered) + never
    places = [max(0, math.ceil(round(share * count, 6)) - 1) for share in shares]
    return [ordered[place] if place < len(ordered) else None for place in places]


def summarize(seconds: Iterable[float], never: int = 0) -> TimeSummary | None:
    """Return the summary of durations, or None if there are none."""
    ordered = array("d", sorted(seconds))
    if not ordered and not never:
        return None
    p50, p99, p999, highest = map(_ms, percentiles(ordered, 0.5, 0.99, 0.999, 1, never=never))
    count = len(ordered) + never
    # The curve is no finer than there are likes.
    shares = [share for share in _SHARES if (1 - share) * count >= 1] + [1.0]
    curve = zip(shares, map(_ms, percentiles(ordered, *shares, never=never)), strict=True)
    return TimeSummary(count, never, p50, p99, p999, highest, [(share, ms) for share, ms in curve if ms is not None])


def step_length(seconds: float) -> float:
    """Return a round step of at most a second that divides the duration into at least 30 steps."""
    return next((step for step in (1.0, 0.5, 0.2, 0.1, 0.05) if seconds / step >= _MIN_STEPS), 0.02)


def count_per_step(moments: Iterable[float], step_s: float, steps: int) -> list[int]:
    """Return how many of the moments are in each step."""
    counts = Counter(int(moment / step_s) for moment in moments)
    return [counts[step] for step in range(steps)]


def percentiles_per_step(
    due_and_took: Iterable[tuple[float, float]], step_s: float, steps: int
) -> list[list[float | None]]:
    """Return the p50 and the p99, in ms, of what was due in each step, None if nothing was due."""
    by_step: dict[int, list[float]] = defaultdict(list)
    for due, took in due_and_took:
        by_step[int(due / step_s)].append(took)
    rows: list[list[float | None]] = [[None] * steps, [None] * steps]
    for step, values in by_step.items():
        for row, value in zip(rows, percentiles(sorted(values), 0.5, 0.99), strict=True):
            row[step] = _ms(value)
    return rows


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)
