"""A demand over time: straight lines between points, with jumps where two points have one time. Pure but for `read`."""

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from autoscaler.errors import TraceError

_GAP = 1.5  # times the usual bin: a row is missing


@dataclass(frozen=True, slots=True)
class Curve:
    """Requests/s at times in s from 0, ascending. After a jump the later point counts."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time: float) -> float:
        """The value at a time; before the first and after the last point, that point's."""
        index = bisect_right(self.times, time)
        if index == 0:
            return self.values[0]
        if index == len(self.times):
            return self.values[-1]
        start, end = self.times[index - 1], self.times[index]
        share = (time - start) / (end - start)
        return self.values[index - 1] + share * (self.values[index] - self.values[index - 1])

    def after(self, time: float) -> float:
        """The time of the next point, infinite after the last."""
        index = bisect_right(self.times, time)
        return self.times[index] if index < len(self.times) else math.inf

    def most(self, start: float, end: float) -> float:
        """The highest value from `start` to `end`."""
        within = self.values[bisect_right(self.times, start) : bisect_right(self.times, end)]
        return max(self.at(start), self.at(end), *within)


@dataclass(frozen=True, slots=True)
class Trace:
    """A demand with a name; `post` is the part of it that one viral post makes, `retries` the share of failed requests
    that come again.
    """

    name: str
    demand: Curve
    post: Curve | None = None
    retries: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.demand.times[-1]


def read(path: Path, *, scale: float = 1.0, edges: bool = False) -> Trace:
    """A CSV `timestamp,value`: time in seconds or ISO 8601; the value times `scale` is requests/s.

    Bins are joined by straight lines; with `edges` each bin's rise is at its edge, and falls are lines as before.
    Raises TraceError naming the line.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(_rows(csv.reader(file), path.name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: can't be read: {error}") from error
    _check(rows, path.name)
    start = rows[0][1]
    points = [(time - start, value * scale) for _, time, value in rows]
    return Trace(path.stem, _curve(points, edges))


def _rows(lines: Iterator[list[str]], name: str) -> Iterator[tuple[int, float, float]]:
    header = next(lines, [])
    if [cell.strip().lower() for cell in header] != ["timestamp", "value"]:
        raise TraceError(f"{name}, line 1: must be `timestamp,value`, not `{','.join(header)}`")
    for number, cells in enumerate(lines, 2):
        if len(cells) != 2:
            raise TraceError(f"{name}, line {number}: must have 2 columns, not {len(cells)}")
        yield number, _time(cells[0], name, number), _value(cells[1], name, number)


def _time(text: str, name: str, number: int) -> float:
    try:
        time = float(text)
    except ValueError:
        try:
            time = _utc(datetime.fromisoformat(text))
        except ValueError:
            raise TraceError(f"{name}, line {number}: {text!r} is no time; seconds or ISO 8601 would be") from None
    if not math.isfinite(time):
        raise TraceError(f"{name}, line {number}: {text!r} is no time")
    return time


def _utc(time: datetime) -> float:
    """A time without a zone is UTC's, so that no clock change makes a gap."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _value(text: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise TraceError(f"{name}, line {number}: {text!r} is no number") from None
    if not (math.isfinite(value) and value >= 0):
        raise TraceError(f"{name}, line {number}: the value must be 0 or more, not {text}")
    return value


def _check(rows: Sequence[tuple[int, float, float]], name: str) -> None:
    if len(rows) < 2:
        raise TraceError(f"{name}: has {len(rows)} rows; at least 2 are needed")
    steps = sorted(later[1] - earlier[1] for earlier, later in pairwise(rows))
    usual = steps[len(steps) // 2]
    for (_, before, _), (number, time, _) in pairwise(rows):
        if time <= before:
            raise TraceError(f"{name}, line {number}: the time is not after the one of the line before")
        if time - before > _GAP * usual:
            raise TraceError(
                f"{name}, line {number}: {time - before:g} s after the line before, {usual:g} s is usual: a gap"
            )


def _curve(points: Sequence[tuple[float, float]], edges: bool) -> Curve:
    times, values = [points[0][0]], [points[0][1]]
    for (start, before), (time, value) in pairwise(points):
        if edges and value > before:
            times.append(start)
            values.append(value)
        times.append(time)
        values.append(value)
    return Curve(tuple(times), tuple(values))
