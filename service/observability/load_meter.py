"""How busy a process of the API is, from one look to the next."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from service.observability.load_report import FIGURES, ApiLoad
from service.observability.metrics import SIGNAL, SIGNAL_READY_SECONDS
from service.observability.traffic_counter import TrafficCounter

_HOTTEST = 10  # posts that a process names; a post that matters is among them at several processes
_LOOK_S = 0.1  # between two looks at how late this process is: ten a second are 0.1 % of a core
_TAKES_S = 0.05  # of a request that nothing holds up, and more: some milliseconds are usual
_CLOSE_S = 1.0


class EventLoopLag:
    """By how much waiting work is served late, in seconds: how late a short sleep ends, from `start` to `close`.

    Under gevent a sleep ends behind all that was ready before it, as a request does; a sleep is a request's stand-in.
    """

    def __init__(self) -> None:
        self._closed = Event()
        self._thread = Thread(target=self._run, name="lateness", daemon=True)
        self._sum_s, self._looks = 0.0, 0

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_S)

    def take_s(self) -> float:
        """The mean since the last call; 0 where nothing was seen."""
        sum_s, looks = self._sum_s, self._looks
        self._sum_s, self._looks = 0.0, 0
        return sum_s / looks if looks else 0.0

    def _run(self) -> None:
        began = time.monotonic()
        while not self._closed.wait(_LOOK_S):
            now = time.monotonic()
            self._sum_s += max(0.0, now - began - _LOOK_S)
            self._looks += 1
            began = now


class LoadMeter:
    """Turns what a process counted into what it tells of a second; call it from one thread at a time."""

    def __init__(
        self,
        traffic: TrafficCounter,
        late_s: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        used_s: Callable[[], float] | None = None,
    ) -> None:
        self._traffic, self._late_s, self._clock, self._used_s = traffic, late_s, clock, used_s or processor_s
        self._began = self._at = clock()
        self._before = self._counts()

    def measure(self) -> ApiLoad:
        """Rates in requests/s since the last call; `posts` with theirs, the hottest first."""
        now, counts = self._clock(), self._counts()
        passed = max(now - self._at, 1e-3)
        arrived, answered, failed, used = (after - before for after, before in zip(counts, self._before, strict=True))
        self._at, self._before = now, counts
        busy, in_flight = min(1.0, used / passed), max(0, self._traffic.arrived - self._traffic.answered)
        load: ApiLoad = {
            "arrivals": round(arrived / passed, 2),
            "accepted": round(max(0.0, answered - failed) / passed, 2),
            "busy": round(busy, 4),
            "queue": round(self._unread(arrived / passed) + _held_up(in_flight, answered / passed) * busy, 2),
            "in_flight": in_flight,
            "ready_s": round(now - self._began, 1),
            "posts": self._posts(passed, arrived),
        }
        _show(load)
        return load

    def _unread(self, arrivals: float) -> float:
        """By Little's law: so many come in the time for which one waits to be read."""
        return arrivals * self._late_s()

    def _counts(self) -> tuple[float, ...]:
        traffic = self._traffic
        return traffic.arrived, traffic.answered, traffic.failed, self._used_s()

    def _posts(self, passed: float, arrived: float) -> list[tuple[str, float]]:
        """Where more came than are kept, those kept stand for all."""
        posts = self._traffic.posts
        seen = len(posts)
        each = max(1.0, arrived / seen) / passed if seen == posts.maxlen else 1 / passed
        counts = Counter(posts.popleft() for _ in range(seen))
        return [(post, round(count * each, 2)) for post, count in counts.most_common(_HOTTEST)]


def _held_up(in_flight: int, answers: float) -> float:
    """Requests in flight beyond the usual. While Redis is slow there are many, too, but the process idles."""
    return max(0.0, in_flight - answers * _TAKES_S)


def _show(load: ApiLoad) -> None:
    """The same for Prometheus, which adds up the workers of a pod."""
    for figure in FIGURES:
        SIGNAL.labels(figure).set(load[figure])
    SIGNAL.labels("workers").set(1)
    SIGNAL_READY_SECONDS.set(load["ready_s"])


def processor_s() -> float:
    """Seconds for which this process ran or, where Linux tells, was ready to run and another had the processor."""
    try:
        ran, waited, _ = Path("/proc/self/schedstat").read_text("ascii").split()  # of the main thread, which serves
    except (OSError, ValueError):
        return time.process_time()
    return max(time.process_time(), (int(ran) + int(waited)) / 1e9)
