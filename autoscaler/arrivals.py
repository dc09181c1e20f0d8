"""How many requests come, and how fast that grows, told from chance. Pure.

A rate over t seconds varies by chance with variance `noise * rate / t`; `noise` is 1 where requests are independent
(Poisson), and learned where they are not.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

CONFIDENCE = 2.5  # standard deviations; chance goes beyond in 1 of 160 looks, in both halves of a span in 1 of 26,000
SPANS_S = (8.0, 16.0, 32.0)  # a steep rise shows in the first, one that chance hides there in the last
_LEVEL_S = 3.0  # the rate is taken over so long: below, chance decides; above, a rise is seen late
_NOISE_MEMORY = 0.05  # share of a new look in the learned noise: about the last 20
_NOISE_AT_MOST = 25.0  # five times a Poisson's deviation; beyond, every rise would pass for chance
_KEEP_S = SPANS_S[-1] + 2.0  # what is older is of no use to the longest span


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A running sum: `sums[i]` requests had come at `times[i]`, newest last, over the last `SPANS_S[-1]` seconds."""

    times: tuple[float, ...] = ()
    sums: tuple[float, ...] = ()
    noise: float = 1.0

    def after(self, now: float, rate: float) -> "Arrivals":
        """With a rate that was seen now, of the time since the last look; the first is of one second."""
        times, sums = self.times, self.sums
        if not times or not 0 < now - times[-1] <= _KEEP_S:
            return Arrivals((now - 1.0, now), (0.0, rate), self.noise)
        start = max(0, bisect_left(times, now - _KEEP_S) - 1)
        passed = now - times[-1]
        return Arrivals((*times[start:], now), (*sums[start:], sums[-1] + rate * passed), self._noise(rate, passed))

    def mean(self, start: float, end: float) -> float:
        """Requests/s between two times, which must lie within what is kept."""
        return (self._at(end) - self._at(start)) / (end - start)

    def level(self) -> float:
        """Requests/s now: the mean of the last seconds, or the newest look where that is above it beyond chance."""
        now, since = self.times[-1], self.times[-2]
        newest = self.mean(since, now)
        steady = self.mean(max(self.times[0], now - _LEVEL_S), now)
        return max(steady, newest - CONFIDENCE * self._deviation(now - since))

    def growth(self) -> float:
        """Requests/s², of what goes on: the lesser slope of a span's two halves, less what may be chance; 0 or more.

        A step is in one half only, so it is never taken for a rise that goes on.
        """
        return max(0.0, *(self._growth_over(span) for span in SPANS_S))

    def _growth_over(self, span: float) -> float:
        now, quarter = self.times[-1], span / 4
        if now - span < self.times[0]:
            return 0.0
        at = [self._at(now - span + step * quarter) for step in range(5)]
        early = at[2] - 2 * at[1] + at[0]
        late = at[4] - 2 * at[3] + at[2]
        chance = CONFIDENCE * math.sqrt(2.0) * self._deviation(quarter) * quarter
        return (min(early, late) - chance) / quarter**2

    def _deviation(self, over_s: float) -> float:
        """Standard deviation of a rate over so many seconds; from what came before the newest look."""
        before = self.mean(self.times[0], self.times[-2]) if len(self.times) > 2 else 0.0
        return math.sqrt(self.noise * before / over_s)

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
        """From the jump since the look before; one that chance alone can't make counts no more than one that it can."""
        before = self.mean(self.times[-2], self.times[-1])
        if before + rate <= 0:
            return self.noise
        jump = (rate - before) ** 2 * passed / (before + rate)
        seen = min(jump, self.noise * CONFIDENCE**2)
        return min(_NOISE_AT_MOST, max(1.0, self.noise + _NOISE_MEMORY * (seen - self.noise)))
