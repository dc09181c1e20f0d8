"""A rate over time whose mean over any recent span is known."""

from bisect import bisect_left

_TRIM = 4_000  # entries from which old ones are dropped


class Series:
    """Keeps `keep_s` seconds."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._times: list[float] = [0.0]
        self._sums: list[float] = [0.0]

    def add(self, end: float, value: float) -> None:
        """The value since the end of the one before."""
        self._sums.append(self._sums[-1] + value * (end - self._times[-1]))
        self._times.append(end)
        if len(self._times) > _TRIM:
            first = bisect_left(self._times, end - self._keep_s) - 1
            if first > 0:
                del self._times[:first], self._sums[:first]

    def mean(self, start: float, end: float) -> float:
        """Over what is known of the span; 0 where nothing is."""
        start, end = max(start, self._times[0]), min(end, self._times[-1])
        return (self._at(end) - self._at(start)) / (end - start) if end > start else 0.0

    def _at(self, time: float) -> float:
        index = max(1, bisect_left(self._times, time))
        earlier, later = self._times[index - 1], self._times[index]
        share = (time - earlier) / (later - earlier)
        return self._sums[index - 1] + share * (self._sums[index] - self._sums[index - 1])
