"""Elect one leader among the replicas by a Lease. The others wait, and one takes over once the Lease is not renewed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from autoscaler.errors import ClusterError, ConflictError, ThrottledError
from autoscaler.kubernetes.lease import LeaseRecord, LeaseStore
from service.periodic_task import PeriodicTask

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds: the duration of a lease, the pause between two attempts, and the timeout of a request."""

    duration_s: float
    every_s: float
    request_s: float

    @property
    def max_pause_s(self) -> float:
        """Return the longest pause of a leader, after which it has a second attempt before its lease ends."""
        return max(self.every_s, (self.duration_s - self.request_s) / 2)


class LeaderElector:
    """A candidate for the lease.

    Each request of a leader must end before another replica may lead, so `is_leader` ends `request_s` before the lease.
    The clock must advance while the process is stopped. Wall clocks do not matter: a lease has ended if it has not
    changed for its duration by the candidate's own clock.
    """

    def __init__(
        self, store: LeaseStore, identity: str, timing: LeaseTiming, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.identity = identity
        self._store, self._timing, self._clock = store, timing, clock
        self._observed, self._observed_at = LeaseRecord("", None), clock()
        self._leads_until = float("-inf")
        self._was_leader, self._logged_holder = False, ""
        self._task = PeriodicTask("lease", self._run, every_s=timing.every_s, close_s=timing.request_s)

    @property
    def is_leader(self) -> bool:
        """Return whether a request that starts now ends before another replica can lead."""
        return self._clock() < self._leads_until

    @property
    def holder(self) -> str:
        """Return the holder as last observed, or an empty string."""
        return self._observed.holder

    def start(self) -> None:
        """Begin to try for the lease, on a thread."""
        self._task.start()

    def close(self) -> None:
        """Stop, and release the lease so that another replica can lead at once."""
        self._task.close()
        if self.is_leader:
            self._leads_until = float("-inf")
            try:
                self._store.write(self._store.read(), "", 1)
            except ClusterError as error:
                log.warning("lease not released: another replica leads once it ends", reason=str(error))

    def acquire_or_renew(self) -> None:
        """Renew the lease, or acquire it if it is free. Raises ClusterError's kinds."""
        began = self._clock()
        record = self._store.read()
        if (record.holder, record.renewed) != (self._observed.holder, self._observed.renewed):
            self._observed, self._observed_at = record, began
        if record.holder not in {"", self.identity} and not self._has_ended(record, began):
            self._leads_until = float("-inf")
            self._log_holder(record.holder)
            return
        self._store.write(record, self.identity, self._timing.duration_s)
        self._observed, self._observed_at = LeaseRecord(self.identity, None), began
        self._leads_until = began + self._timing.duration_s - self._timing.request_s

    def _has_ended(self, record: LeaseRecord, now: float) -> bool:
        return now - self._observed_at >= max(record.duration_s, self._timing.duration_s)

    def _log_holder(self, holder: str) -> None:
        if holder != self._logged_holder:
            log.info("lease watched", holder=holder)
        self._logged_holder = holder

    def _log_leadership(self) -> None:
        """Log each change, including a lease that ended while this process was stopped."""
        if self._was_leader != self.is_leader:
            self._was_leader = self.is_leader
            log.info("leading" if self._was_leader else "not leading", holder=self.holder)

    def _run(self) -> float:
        """Try once, and return the pause before the next attempt in seconds."""
        pause_s = self._timing.every_s
        try:
            self.acquire_or_renew()
        except ConflictError:
            # Another replica was faster. The next attempt reads its record.
            pass
        except ThrottledError as error:
            pause_s = max(pause_s, min(error.retry_after_s, self._timing.max_pause_s))
        except ClusterError as error:
            log.warning("lease not renewed", reason=str(error))
        except Exception:
            # One bad answer must not end the election.
            log.exception("lease not renewed")
        self._log_leadership()
        return pause_s
