"""The load report of a flusher process."""

import time
from collections.abc import Callable, Sequence

from service.instrumentation.backlog import Backlog
from service.observability.load_report import FlusherLoad

_MIN_INTERVAL_S = 1e-3


class FlusherLoadMeter:
    """Measures the load of all flushers of a process. Call it from one thread at a time."""

    def __init__(self, backlogs: Sequence[Backlog], clock: Callable[[], float] = time.monotonic) -> None:
        self._backlogs = backlogs
        self._clock = clock
        self._measured_at = clock()
        self._stored = self._total_stored()

    def measure(self) -> FlusherLoad:
        """Return the pending likes of all shards, the age of the oldest, and the likes/s stored since the last call."""
        now, stored = self._clock(), self._total_stored()
        stored_per_s = (stored - self._stored) / max(now - self._measured_at, _MIN_INTERVAL_S)
        self._measured_at, self._stored = now, stored
        return {
            "pending": sum(backlog.pending() for backlog in self._backlogs),
            "age_s": round(max((backlog.oldest_s() for backlog in self._backlogs), default=0.0), 3),
            "settled": round(stored_per_s, 2),
        }

    def _total_stored(self) -> int:
        return sum(backlog.stored for backlog in self._backlogs)
