"""Measure a run in progress: its recent rate, and an approximate p99 that is cheap to keep. Pure."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence

from service.loadtest.generator.recorder import Recorder

# Bounds of the latency histogram: 0.1 ms to 1,000 s, 12 % apart.
_BOUNDS_S = [0.0001 * 10 ** (step / 20) for step in range(141)]
# The rate is measured over this many updates.
_RATE_UPDATES = 5


class RunProgress:
    """Figures of a run so far. `times` are the times at which the likes are due."""

    def __init__(self, times: Sequence[float]) -> None:
        self._times = times
        self._seen = 0
        self._histogram: Counter[int] = Counter()
        self._marks: deque[tuple[float, int]] = deque(maxlen=_RATE_UPDATES)

    def update(self, recorder: Recorder, now: float) -> tuple[float, float | None]:
        """Take in what is new, and return the recent rate of acknowledged likes per second and the p99 in ms.

        The p99 is of all likes so far, and at most 12 % too high. It is None before the first like.
        """
        total = len(recorder.acknowledged)
        # Slices, because an iterator would pass over everything that was seen before.
        new = zip(recorder.acknowledged[self._seen :], recorder.acknowledged_at[self._seen :], strict=True)
        self._histogram.update(bisect_left(_BOUNDS_S, at - self._times[like]) for like, at in new)
        self._seen = total
        self._marks.append((now, total))
        then, before = self._marks[0]
        rate = (total - before) / (now - then) if now > then else 0.0
        return rate, self._p99_ms()

    def _p99_ms(self) -> float | None:
        left = self._seen / 100
        for bucket in sorted(self._histogram, reverse=True):
            left -= self._histogram[bucket]
            if left < 0:
                return 1_000 * _BOUNDS_S[min(bucket, len(_BOUNDS_S) - 1)]
        return None
