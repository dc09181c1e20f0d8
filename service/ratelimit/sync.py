"""Processes tell each other what was used, on a thread (a greenlet, under gevent) that no request waits for."""

import time
from collections.abc import Iterator, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import NamedTuple, Protocol

import structlog

from service.observability.metrics import RATE_LIMIT_SYNC_FAILURES
from service.ratelimit.limiter import Quota, lock

BATCH = 256  # keys in one exchange: some milliseconds of this process, then others get their turn
CLOSE_S = 1.0
SETTLED_ROUNDS = 2  # the first one after a window's end tells its last uses, the next one hears of them

log = structlog.get_logger(__name__)


class Heard(NamedTuple):
    """The others' sums of the counters that could be told, and why the rest could not; it is told again."""

    others: Mapping[str, int]
    failed: str = ""


class Shared(Protocol):
    """Where processes leave their counts for each other."""

    def tell(self, counts: Mapping[str, int], ttl_s: int) -> Heard:
        """Set this process' own count of each counter, kept for `ttl_s`; hear the sum of all others' counts.

        Sets, and does not add: what may have arrived is told again without counting twice. Raises nothing.
        """


class Sharing:
    """Shares the quotas' uses every `every_s` seconds, from the first use until `close`.

    While nobody can be told, each process goes on by what it knows: warned of once, counted for each round.
    """

    def __init__(self, quotas: Sequence[Quota], shared: Shared, every_s: float) -> None:
        self._quotas = quotas
        self._shared = shared
        self._every_s = every_s
        self._closed = Event()
        self._starting = Lock()
        self._thread: Thread | None = None
        self._away = False
        for quota in quotas:
            quota.before_use = self.start  # not now: gunicorn may fork after the app is made, and threads stay behind

    def start(self) -> None:
        """Begin to share; once, and not after `close`."""
        with self._starting:
            for quota in self._quotas:
                quota.before_use = None
            if self._thread is None and not self._closed.is_set():
                self._thread = Thread(target=self._run, name="limits-sharing", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread, after the exchange under way or CLOSE_S; uses since the last round stay untold."""
        self._closed.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)

    def _run(self) -> None:
        pause_s = self._every_s
        while not self._closed.wait(pause_s):
            began = time.monotonic()
            self.round()
            pause_s = max(self._every_s / 10, self._every_s - (time.monotonic() - began))

    def round(self) -> None:
        """Tell and hear of the keys that were touched since the last round. Raises nothing."""
        answers = [heard for quota in self._quotas for heard in self._share(quota)]
        if answers:
            self._note(next((heard.failed for heard in answers if heard.failed), ""))

    def _share(self, quota: Quota) -> Iterator[Heard]:
        with lock:
            touched = quota.windows.take_touched()
        while touched:
            batch, touched = touched[:BATCH], touched[BATCH:]
            heard = self._exchange(quota, batch)
            yield heard
            if heard.failed and not heard.others:  # nobody there: the rest need not wait for that too
                with lock:
                    quota.windows.touch_again(touched)
                return

    def _exchange(self, quota: Quota, batch: list[str]) -> Heard:
        settled_until = quota.clock() - SETTLED_ROUNDS * self._every_s
        with lock:
            told = {f"{quota.name}:{one.window}:{one.who}": one for one in quota.windows.to_tell(batch)}
        heard = self._tell({name: one.uses for name, one in told.items()}, 2 * quota.window_s)
        with lock:
            for name, one in told.items():
                if name in heard.others:
                    quota.windows.hear(one, heard.others[name], settled_until)
            quota.windows.touch_again(one.who for name, one in told.items() if name not in heard.others)
        return heard

    def _tell(self, counts: Mapping[str, int], ttl_s: int) -> Heard:
        try:
            return self._shared.tell(counts, ttl_s)
        except Exception as error:  # the thread must outlive whatever it meets
            log.exception("limits not shared")
            return Heard({}, repr(error))

    def _note(self, failed: str) -> None:
        if failed:
            RATE_LIMIT_SYNC_FAILURES.inc()
        if failed and not self._away:
            log.warning("limits not shared: each process goes on by its own counts", reason=failed)
        elif self._away and not failed:
            log.info("limits shared again")
        self._away = bool(failed)
