"""Record a rate over time, and compute its mean over any recent span."""

from bisect import bisect_left

# Number of entries from which old ones are dropped.
_TRIM = 4_000


class TimeSeries:
    """The values of the last `keep_s` seconds."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._times: list[float] = [0.0]
        self._sums: list[float] = [0.0]

    def add(self, end: float, value: float) -> None:
        """Add the mean value between the last entry's end and `end`."""
        self._sums.append(self._sums[-1] + value * (end - self._times[-1]))
        self._times.append(end)
        if len(self._times) > _TRIM:
            first = bisect_left(self._times, end - self._keep_s) - 1
            if first > 0:
                del self._times[:first], self._sums[:first]

    def mean(self, start: float, end: float) -> float:
        """Return the mean over the known part of a span, 0 where nothing is known."""
        start, end = max(start, self._times[0]), min(end, self._times[-1])
        return (self._sum_at(end) - self._sum_at(start)) / (end - start) if end > start else 0.0

    def _sum_at(self, time: float) -> float:
        index = max(1, bisect_left(self._times, time))
        earlier, later = self._times[index - 1], self._times[index]
        share = (time - earlier) / (later - earlier)
        return self._sums[index - 1] + share * (self._sums[index] - self._sums[index - 1])
