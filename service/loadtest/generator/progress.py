"""How a run goes so far: its rate of late, and a p99 that costs little to keep up. Pure."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice

from service.loadtest.generator.recorder import Tally

_BOUNDS_S = [0.0001 * 10 ** (step / 20) for step in range(141)]  # 0.1 ms to 1,000 s, 12 % apart
_LOOKS = 5  # the rate is over so many


class Live:
    """Takes in what is new in a tally at each look; `times` says when each like was due."""

    def __init__(self, times: Sequence[float]) -> None:
        self._times = times
        self._taken = 0
        self._buckets: Counter[int] = Counter()
        self._marks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)

    def look(self, tally: Tally, now: float) -> tuple[float, float | None]:
        """Acknowledged likes a second of late, and the p99 in ms of all so far, at most 12 % too high."""
        total = len(tally.acknowledged)
        news = (islice(all_of, self._taken, total) for all_of in (tally.acknowledged, tally.answered_at))
        self._buckets.update(bisect_left(_BOUNDS_S, at - self._times[like]) for like, at in zip(*news, strict=True))
        self._taken = total
        self._marks.append((now, total))
        then, before = self._marks[0]
        rate = (total - before) / (now - then) if now > then else 0.0
        return rate, self._p99_ms()

    def _p99_ms(self) -> float | None:
        left = self._taken / 100
        for bucket in sorted(self._buckets, reverse=True):
            left -= self._buckets[bucket]
            if left < 0:
                return 1_000 * _BOUNDS_S[min(bucket, len(_BOUNDS_S) - 1)]
        return None
