"""Estimate the arrival rate and its slope, and distinguish both from noise. Pure.

A rate over t seconds has the variance `noise * rate / t`. `noise` is 1 for independent requests (a Poisson process). It
is learned, as real requests are not always independent.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

# Standard deviations that a rise must stand out by. Noise alone does so about three times a day.
MIN_RISE_DEVIATIONS = 4.0
# Spans over which a slope is measured. A steep rise shows in the first ones, a gentle one in the last.
SPANS_S = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
# Standard deviations that one sample must stand out by: noise exceeds it in 1 of 160 samples.
_MIN_JUMP_DEVIATIONS = 2.5
# Shortest span of the level: over a shorter one, a single burst would decide.
_LEVEL_S = 3.0
# The span grows until the level's standard deviation is this share of it: a quarter of the pods' spare capacity.
_LEVEL_DEVIATION = 0.025
# A mean is as old as the middle of its span.
LEVEL_AGE_S = _LEVEL_S / 2
# Each quarter of a span must add at least this share of what the quarter before added. A step adds in one only.
_MIN_QUARTER_SHARE = 0.5
# Weight of a new sample in the learned noise: about the last 20 samples count.
_NOISE_WEIGHT = 0.05
# Five times the standard deviation of a Poisson process. With more, every rise would pass for noise.
_MAX_NOISE = 25.0
# The longest span needs no older samples.
_KEEP_S = SPANS_S[-1] + 2.0


@dataclass(frozen=True, slots=True)
class ArrivalHistory:
    """The running sum of requests: `sums[i]` had arrived at `times[i]`. The newest is last.

    It covers at least the longest span. `noise` was learned before the newest sample, and `next_noise` with it.
    """

    times: tuple[float, ...] = ()
    sums: tuple[float, ...] = ()
    noise: float = 1.0
    next_noise: float = 1.0

    def add(self, now: float, rate: float) -> "ArrivalHistory":
        """Return the history with the mean rate since the last sample. The first sample covers one second."""
        times, sums = self.times, self.sums
        if not times or not 0 < now - times[-1] <= _KEEP_S:
            return ArrivalHistory((now - 1.0, now), (0.0, rate), self.next_noise, self.next_noise)
        start = max(0, bisect_left(times, now - _KEEP_S) - 1)
        passed = now - times[-1]
        times, sums = (*times[start:], now), (*sums[start:], sums[-1] + rate * passed)
        return ArrivalHistory(times, sums, self.next_noise, self._updated_noise(rate, passed))

    def mean(self, start: float, end: float) -> float:
        """Return the mean in requests/s between two times within the history."""
        return (self._sum_at(end) - self._sum_at(start)) / (end - start)

    def level(self) -> float:
        """Return the current rate in requests/s.

        It is the mean over some seconds. A mean over fewer seconds counts if it is higher by more than noise.
        """
        now, before = self.times[-1], self._rate_before()
        # The product is also 0 where the rate is so small that it vanishes.
        variance = _LEVEL_DEVIATION**2 * before
        span_s = self.noise / variance if variance > 0 else _LEVEL_S
        span_s = min(max(_LEVEL_S, span_s), SPANS_S[-1])
        short_spans = (now - self.times[-2], _LEVEL_S)
        return max(self._recent(span_s), *(self._recent(span) - self._jump_noise(before, span) for span in short_spans))

    def _recent(self, span: float) -> float:
        return self.mean(max(self.times[0], self.times[-1] - span), self.times[-1])

    def _jump_noise(self, rate: float, span: float) -> float:
        return _MIN_JUMP_DEVIATIONS * math.sqrt(self.noise * rate / span)

    def slope(self) -> float:
        """Return the slope of a lasting rise in requests/s², 0 where the rise may be noise.

        Over some span the rise must exceed the noise, and each quarter must add about as much as the one before. The
        result is the smaller slope of the two halves, minus one standard deviation. A step adds in one quarter only, so
        it is no lasting rise.
        """
        deviation = math.sqrt(self.noise * self._rate_before())
        return max(self._slope_over(span, deviation) for span in SPANS_S)

    def _slope_over(self, span: float, deviation: float) -> float:
        """Return the slope over a span.

        `deviation` is the standard deviation of the requests of one second. For t seconds it is sqrt(t) times as much.
        """
        end, half, quarter = self.times[-1], span / 2, span / 4
        # There must be enough samples to tell the two halves apart.
        if end - span < self.times[0] or end - self.times[-2] > half:
            return 0.0
        start, middle, total = self._sum_at(end - span), self._sum_at(end - half), self.sums[-1]
        # Requests of the second half minus those of the first.
        more = total - 2 * middle + start
        if more <= MIN_RISE_DEVIATIONS * deviation * math.sqrt(2 * half):
            return 0.0
        early = middle - 2 * self._sum_at(end - half - quarter) + start
        late = total - 2 * self._sum_at(end - quarter) + middle
        noise = deviation * math.sqrt(2 * quarter)
        between = self._rise_between(end - half, quarter)
        if late < _MIN_QUARTER_SHARE * early - noise or early < _MIN_QUARTER_SHARE * between - noise:
            return 0.0
        return max(0.0, min(early, late, more / 4) - noise) / quarter**2

    def _rise_between(self, middle: float, quarter: float) -> float:
        """Return the requests of the quarter after the middle minus those of the quarter before it.

        The newest sample is left out, so that more requests in it can't make the rise look smaller.
        """
        end = min(middle + quarter, self.times[-2])
        if end <= middle:
            return 0.0
        return quarter * (self.mean(middle, end) - self.mean(middle - quarter, middle))

    def _rate_before(self) -> float:
        """Return the requests/s before the newest sample, so that the newest is not compared with itself."""
        return self.mean(self.times[0], self.times[-2]) if len(self.times) > 2 else 0.0

    def _sum_at(self, time: float) -> float:
        index = bisect_left(self.times, time)
        if index == 0:
            return self.sums[0]
        if index == len(self.times):
            return self.sums[-1]
        earlier, later = self.times[index - 1], self.times[index]
        share = (time - earlier) / (later - earlier)
        return self.sums[index - 1] + share * (self.sums[index] - self.sums[index - 1])

    def _updated_noise(self, rate: float, passed: float) -> float:
        """Return the noise learned from the distance of a sample to the line through the two samples before it.

        So a steady rise is not noise. The distance is capped at what noise alone can cause.
        """
        if len(self.times) < 3:
            return self.next_noise
        third, second, first = self.times[-3:]
        before, earlier = self.mean(second, first), self.mean(third, second)
        expected = before * (1 / passed + 4 / (first - second) + 1 / (second - third))
        # The product of a tiny rate may be rounded to 0.
        if expected <= 0:
            return self.next_noise
        squared_distance = (rate - 2 * before + earlier) ** 2
        measured = min(squared_distance / expected, self.next_noise * _MIN_JUMP_DEVIATIONS**2)
        return min(_MAX_NOISE, max(1.0, self.next_noise + _NOISE_WEIGHT * (measured - self.next_noise)))
