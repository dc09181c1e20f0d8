"""Define a demand over time, and read it from a CSV file. Everything but `read_trace` is pure."""

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from autoscaler.errors import TraceError

# A row is missing where two rows are further apart than this many times the usual distance.
_GAP_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Curve:
    """Requests/s at ascending times in s from 0, with straight lines between the points.

    Two points with the same time are a jump. At that time the later one counts.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time: float) -> float:
        """Return the value at a time. Before the first point and after the last one it is constant."""
        index = bisect_right(self.times, time)
        if index == 0:
            return self.values[0]
        if index == len(self.times):
            return self.values[-1]
        start, end = self.times[index - 1], self.times[index]
        share = (time - start) / (end - start)
        return self.values[index - 1] + share * (self.values[index] - self.values[index - 1])

    def next_time(self, time: float) -> float:
        """Return the time of the next point, infinite after the last one."""
        index = bisect_right(self.times, time)
        return self.times[index] if index < len(self.times) else math.inf

    def maximum(self, start: float, end: float) -> float:
        """Return the highest value from `start` to `end`."""
        within = self.values[bisect_right(self.times, start) : bisect_right(self.times, end)]
        return max(self.at(start), self.at(end), *within)


@dataclass(frozen=True, slots=True)
class Trace:
    """A demand with a name.

    `post` is the part of the demand for one viral post. `retry_share` of the failed requests are retried.
    """

    name: str
    demand: Curve
    post: Curve | None = None
    retry_share: float = 0.0

    @property
    def duration_s(self) -> float:
        """Return the time of the last point."""
        return self.demand.times[-1]


def read_trace(path: Path, *, scale: float = 1.0, edges: bool = False) -> Trace:
    """Read a CSV file with the columns `timestamp,value`.

    A timestamp is in seconds or ISO 8601. A value times `scale` is in requests/s. Straight lines join the rows. With
    `edges` each rise is a jump at the start of its interval instead. Raises TraceError, which names the line.
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
        raise TraceError(f"{name}, line 1: the header must be `timestamp,value`, not `{','.join(header)}`")
    for number, cells in enumerate(lines, 2):
        if len(cells) != 2:
            raise TraceError(f"{name}, line {number}: expected 2 columns, found {len(cells)}")
        yield number, _time(cells[0], name, number), _value(cells[1], name, number)


def _time(text: str, name: str, number: int) -> float:
    try:
        time = float(text)
    except ValueError:
        try:
            time = _utc(datetime.fromisoformat(text))
        except ValueError:
            raise TraceError(f"{name}, line {number}: {text!r} is not a time; use seconds or ISO 8601") from None
    if not math.isfinite(time):
        raise TraceError(f"{name}, line {number}: {text!r} is not a finite time")
    return time


def _utc(time: datetime) -> float:
    """Convert a time to seconds. A time without a zone is taken as UTC, so that no clock change makes a gap."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _value(text: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise TraceError(f"{name}, line {number}: {text!r} is not a number") from None
    if not (math.isfinite(value) and value >= 0):
        raise TraceError(f"{name}, line {number}: the value must be 0 or more, not {text}")
    return value


def _check(rows: Sequence[tuple[int, float, float]], name: str) -> None:
    if len(rows) < 2:
        raise TraceError(f"{name}: found {len(rows)} rows, at least 2 are needed")
    steps = sorted(later[1] - earlier[1] for earlier, later in pairwise(rows))
    usual = steps[len(steps) // 2]
    for (_, before, _), (number, time, _) in pairwise(rows):
        if time <= before:
            raise TraceError(f"{name}, line {number}: the time is not after the time of the previous line")
        if time - before > _GAP_FACTOR * usual:
            gap = f"the previous line is {time - before:g} s earlier, the usual distance is {usual:g} s"
            raise TraceError(f"{name}, line {number}: rows are missing: {gap}")


def _curve(points: Sequence[tuple[float, float]], edges: bool) -> Curve:
    times, values = [points[0][0]], [points[0][1]]
    for (start, before), (time, value) in pairwise(points):
        if edges and value > before:
            times.append(start)
            values.append(value)
        times.append(time)
        values.append(value)
    return Curve(tuple(times), tuple(values))
