"""The load of an API process, measured between two calls."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from service.observability.load_report import FIGURES, ApiLoad
from service.observability.metrics import SIGNAL, SIGNAL_READY_SECONDS
from service.observability.traffic_counter import TrafficCounter
from service.periodic_task import PeriodicTask

# The number of posts in a report. A post that matters is among the busiest of several processes.
_MAX_POSTS = 10
# Ten measurements a second cost 0.1 % of a core.
_LAG_EVERY_S = 0.1
# More than an undisturbed request takes; a few milliseconds are usual.
_REQUEST_S = 0.05
_MIN_INTERVAL_S = 1e-3


class EventLoopLag:
    """Measures the lag of this process from `start` to `close`: by how much a short sleep ends late, in seconds.

    Under gevent, a sleep ends behind everything that was ready before it, just as a new request is served.
    """

    def __init__(self) -> None:
        self._task = PeriodicTask("event-loop-lag", self._measure, every_s=_LAG_EVERY_S, first_s=_LAG_EVERY_S)
        self._slept_at = 0.0
        self._sum_s, self._measurements = 0.0, 0

    def start(self) -> None:
        """Start to measure."""
        self._slept_at = time.monotonic()
        self._task.start()

    def close(self) -> None:
        """End the measurements."""
        self._task.close()

    def take_s(self) -> float:
        """Return the mean lag since the last call; 0 if nothing was measured."""
        sum_s, measurements = self._sum_s, self._measurements
        self._sum_s, self._measurements = 0.0, 0
        return sum_s / measurements if measurements else 0.0

    def _measure(self) -> float:
        now = time.monotonic()
        self._sum_s += max(0.0, now - self._slept_at - _LAG_EVERY_S)
        self._measurements += 1
        self._slept_at = now
        return _LAG_EVERY_S


class LoadMeter:
    """Turns the counters of a process into a load report. Call it from one thread at a time.

    `lag_s` returns the event loop's lag since its last call. `cpu_s` returns the CPU seconds used so far.
    """

    def __init__(
        self,
        traffic: TrafficCounter,
        lag_s: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] | None = None,
    ) -> None:
        self._traffic, self._lag_s, self._clock, self._cpu_s = traffic, lag_s, clock, cpu_s or busy_cpu_s
        self._began = self._measured_at = clock()
        self._before = self._counts()

    def measure(self) -> ApiLoad:
        """Return the load since the last call: rates in requests/s, and the busiest posts first in `posts`."""
        now, counts = self._clock(), self._counts()
        passed_s = max(now - self._measured_at, _MIN_INTERVAL_S)
        arrived, answered, failed, cpu_s = (after - before for after, before in zip(counts, self._before, strict=True))
        self._measured_at, self._before = now, counts
        busy, in_flight = min(1.0, cpu_s / passed_s), max(0, self._traffic.arrived - self._traffic.answered)
        load: ApiLoad = {
            "arrivals": round(arrived / passed_s, 2),
            "accepted": round(max(0.0, answered - failed) / passed_s, 2),
            "busy": round(busy, 4),
            "queue": round(self._unread(arrived / passed_s) + _delayed(in_flight, answered / passed_s) * busy, 2),
            "in_flight": in_flight,
            "ready_s": round(now - self._began, 1),
            "posts": self._busiest_posts(passed_s, arrived),
        }
        _set_metrics(load)
        return load

    def _unread(self, arrivals_per_s: float) -> float:
        """Return the requests that wait to be read, by Little's law: the arrivals during one waiting time."""
        return arrivals_per_s * self._lag_s()

    def _counts(self) -> tuple[float, ...]:
        traffic = self._traffic
        return traffic.arrived, traffic.answered, traffic.failed, self._cpu_s()

    def _busiest_posts(self, passed_s: float, arrived: float) -> list[tuple[str, float]]:
        posts = self._traffic.posts
        kept = len(posts)
        # If more requests arrived than are kept, each kept one stands for several.
        weight = max(1.0, arrived / kept) if kept == posts.maxlen else 1.0
        counts = Counter(posts.popleft() for _ in range(kept))
        return [(post, round(count * weight / passed_s, 2)) for post, count in counts.most_common(_MAX_POSTS)]


def _delayed(in_flight: int, answers_per_s: float) -> float:
    """Return the requests in flight beyond the usual number.

    The caller weighs them with the CPU share: with a slow Redis there are many, but the process is idle.
    """
    return max(0.0, in_flight - answers_per_s * _REQUEST_S)


def _set_metrics(load: ApiLoad) -> None:
    """Set the same figures for Prometheus, which adds up the workers of a pod."""
    for figure in FIGURES:
        SIGNAL.labels(figure).set(load[figure])
    SIGNAL.labels("workers").set(1)
    SIGNAL_READY_SECONDS.set(load["ready_s"])


def busy_cpu_s() -> float:
    """Return the seconds for which this process ran, or was ready to run while others had the CPU (Linux only)."""
    try:
        # The main thread, which serves requests: time run, time waited, number of time slices.
        ran_ns, waited_ns, _ = Path("/proc/self/schedstat").read_text("ascii").split()
    except (OSError, ValueError):
        return time.process_time()
    return max(time.process_time(), (int(ran_ns) + int(waited_ns)) / 1e9)
