"""How many requests come, and how fast that grows, told from chance. Pure.

A rate over t seconds varies by chance with variance `noise * rate / t`; `noise` is 1 where requests are independent
(Poisson), and learned where they are not.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

SURE = 4.0  # standard deviations that a rise must stand out by: chance alone does so some three times a day
SPANS_S = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)  # a steep rise shows in the first, a gentle one in the last
_CLEAR = 2.5  # standard deviations that one look must stand out by: beyond in 1 of 160
_LEVEL_S = 3.0  # the rate is taken over so long, as below a burst decides,
_LEVEL_DEVIATION = (
    0.025  # or over longer, until its standard deviation is this share of it: a quarter of what pods keep
)
LEVEL_AGE_S = _LEVEL_S / 2  # a mean is as old as the middle of its span
_GOES_ON = 0.5  # share of what a quarter of a span adds that the next must add, but for chance: a step adds in one
_NOISE_MEMORY = 0.05  # share of a new look in the learned noise: about the last 20
_NOISE_AT_MOST = 25.0  # five times a Poisson's deviation; beyond, every rise would pass for chance
_KEEP_S = SPANS_S[-1] + 2.0  # what is older is of no use to the longest span


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A running sum: `sums[i]` requests had come at `times[i]`, newest last, over the last `SPANS_S[-1]` seconds.

    `noise` is what was learned before the newest look, `learned` with it.
    """

    times: tuple[float, ...] = ()
    sums: tuple[float, ...] = ()
    noise: float = 1.0
    learned: float = 1.0

    def after(self, now: float, rate: float) -> "Arrivals":
        """With a rate that was seen now, of the time since the last look; the first is of one second."""
        times, sums = self.times, self.sums
        if not times or not 0 < now - times[-1] <= _KEEP_S:
            return Arrivals((now - 1.0, now), (0.0, rate), self.learned, self.learned)
        start = max(0, bisect_left(times, now - _KEEP_S) - 1)
        passed = now - times[-1]
        times, sums = (*times[start:], now), (*sums[start:], sums[-1] + rate * passed)
        return Arrivals(times, sums, self.learned, self._noise(rate, passed))

    def mean(self, start: float, end: float) -> float:
        """Requests/s between two times, which must lie within what is kept."""
        return (self._at(end) - self._at(start)) / (end - start)

    def level(self) -> float:
        """Requests/s now: the mean of some seconds, or of fewer where that is above it beyond chance."""
        now, before = self.times[-1], self._before()
        calm = _LEVEL_DEVIATION**2 * before  # 0 also where so little is before that the product vanishes
        calm_s = self.noise / calm if calm > 0 else _LEVEL_S
        calm_s = min(max(_LEVEL_S, calm_s), SPANS_S[-1])
        spans = (now - self.times[-2], _LEVEL_S)
        return max(self._recent(calm_s), *(self._recent(span) - self._chance(before, span) for span in spans))

    def _recent(self, span: float) -> float:
        return self.mean(max(self.times[0], self.times[-1] - span), self.times[-1])

    def _chance(self, rate: float, span: float) -> float:
        return _CLEAR * math.sqrt(self.noise * rate / span)

    def growth(self) -> float:
        """Requests/s² of a rise that goes on, 0 where it may be chance.

        Over a span the rise must stand out, and each quarter must add about as much as the one before; what counts is
        the lesser slope of its two halves, less a standard deviation. A step adds in one quarter only, so it is not
        taken for a rise that goes on.
        """
        deviation = math.sqrt(self.noise * self._before())
        return max(self._growth_over(span, deviation) for span in SPANS_S)

    def _growth_over(self, span: float, deviation: float) -> float:
        """`deviation` is that of the requests of one second; of t seconds it is as many times as the root of t."""
        end, half, quarter = self.times[-1], span / 2, span / 4
        if end - span < self.times[0] or end - self.times[-2] > half:  # too few looks to tell the halves apart
            return 0.0
        start, middle, total = self._at(end - span), self._at(end - half), self.sums[-1]
        more = total - 2 * middle + start  # requests of the second half beyond those of the first
        if more <= SURE * deviation * math.sqrt(2 * half):
            return 0.0
        early = middle - 2 * self._at(end - half - quarter) + start
        late = total - 2 * self._at(end - quarter) + middle
        chance = deviation * math.sqrt(2 * quarter)
        if late < _GOES_ON * early - chance or early < _GOES_ON * self._between(end - half, quarter) - chance:
            return 0.0
        return max(0.0, min(early, late, more / 4) - chance) / quarter**2

    def _between(self, middle: float, quarter: float) -> float:
        """Requests of the quarter after the middle beyond those of the quarter before it. The newest look is left out:
        more in it must not seem less of a rise.
        """
        end = min(middle + quarter, self.times[-2])
        if end <= middle:
            return 0.0
        return quarter * (self.mean(middle, end) - self.mean(middle - quarter, middle))

    def _before(self) -> float:
        """Requests/s of what came before the newest look, so that this one is not judged by itself."""
        return self.mean(self.times[0], self.times[-2]) if len(self.times) > 2 else 0.0

    def _at(self, time: float) -> float:
        index = bisect_left(self.times, time)
        if index == 0:
            return self.sums[0]
        if index == len(self.times):
            return self.sums[-1]
        earlier, later = self.times[index - 1], self.times[index]
        share = (time - earlier) / (later - earlier)
        return self.sums[index - 1] + share * (self.sums[index] - self.sums[index - 1])

    def _noise(self, rate: float, passed: float) -> float:
        """From how far a look is off the line through the two before it: a steady rise is no noise. What chance alone
        can't make counts no more than what it can.
        """
        if len(self.times) < 3:
            return self.learned
        third, second, first = self.times[-3:]
        before, earlier = self.mean(second, first), self.mean(third, second)
        if before <= 0:
            return self.learned
        off = (rate - 2 * before + earlier) ** 2
        chance = before * (1 / passed + 4 / (first - second) + 1 / (second - third))
        seen = min(off / chance, self.learned * _CLEAR**2)
        return min(_NOISE_AT_MOST, max(1.0, self.learned + _NOISE_MEMORY * (seen - self.learned)))
