"""What a flusher process tells the autoscaler of a second."""

import time
from collections.abc import Callable, Sequence

from service.instrumentation.backlog import Backlog
from service.observability.load_report import FlusherLoad


class FlusherLoadMeter:
    """Over the flushers of a process; call it from one thread at a time."""

    def __init__(self, backlogs: Sequence[Backlog], clock: Callable[[], float] = time.monotonic) -> None:
        self._backlogs = backlogs
        self._clock = clock
        self._at = clock()
        self._stored = self._all_stored()

    def measure(self) -> FlusherLoad:
        """Likes pending in all shards, the oldest's age, and likes/s that this process stored since the last call."""
        now, stored = self._clock(), self._all_stored()
        acknowledged = (stored - self._stored) / max(now - self._at, 1e-3)
        self._at, self._stored = now, stored
        return {
            "pending": sum(backlog.pending() for backlog in self._backlogs),
            "age_s": round(max((backlog.oldest_s() for backlog in self._backlogs), default=0.0), 3),
            "settled": round(acknowledged, 2),
        }

    def _all_stored(self) -> int:
        return sum(backlog.stored for backlog in self._backlogs)
