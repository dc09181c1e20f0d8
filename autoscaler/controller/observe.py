"""From a target and the signals to what the decision looks at."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Protocol

import structlog

from autoscaler.errors import ClusterError, WishError
from autoscaler.kubernetes.annotations import prewarm_of
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.targets import Seen
from autoscaler.policy.observation import FlusherObservation, Observation, Prewarm
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.signals import Signals

log = structlog.get_logger(__name__)
_CLOCKS_S = 5.0  # by which this machine's clock may be ahead of the API server's, which dates pods


class Pods(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def lead_times_s(self, workload: Workload, since: datetime) -> list[float]: ...


@dataclass(slots=True)
class Expected:
    """How many pods must have spoken: as many as have been ready for the last `within_s` seconds.

    Those that are not asked for any more are on their way out: a Deployment's status counts them until all are gone.
    """

    within_s: float
    _ready: deque[tuple[float, int]]

    @classmethod
    def within(cls, within_s: float) -> "Expected":
        """Of no look yet."""
        return cls(within_s, deque())

    def look(self, now: float, workload: Workload) -> int:
        """With a look of now; nobody is expected before looks go back that far."""
        self._ready.append((now, min(workload.ready, workload.replicas)))
        while len(self._ready) > 1 and self._ready[1][0] <= now - self.within_s:
            self._ready.popleft()
        return min(count for _, count in self._ready) if self._ready[0][0] <= now - self.within_s else 0


@dataclass(slots=True)
class Lead:
    """The time from a pod's creation to its readiness, measured once the pods of a raise are ready."""

    pods: Pods
    wall: Callable[[], datetime]
    _since: datetime | None = None
    _wanted: int = 0

    def raised(self, wanted: int) -> None:
        """So many were asked for now."""
        self._since = self._since or datetime.fromtimestamp(self.wall().timestamp() - _CLOCKS_S, UTC)
        self._wanted = wanted

    def look(self, workload: Workload) -> float | None:
        """A measurement, once after each raise; else None, also where pods can't be listed then."""
        if self._since is None or workload.ready < min(self._wanted, workload.replicas):
            return None
        since, self._since = self._since, None
        try:
            leads = self.pods.lead_times_s(workload, since)
        except ClusterError as error:
            log.warning("lead time not measured: the one from before counts", reason=str(error))
            return None
        return median(leads) if leads else None


def observed(
    seen: Seen, signals: Signals, now: float, wall: datetime, tuning: Tuning, *, expected: int, lead_s: float | None
) -> Observation:
    """What the decision on API pods looks at. A wish that can't be read is none: see `wish_trouble`."""
    return Observation(
        replicas=seen.workload.replicas,
        min_replicas=seen.floor.least if seen.floor else None,
        expected=expected,
        pods=signals.pods,
        posts=signals.posts,
        pod_startup_s=lead_s,
        pending=_pending(signals, now, tuning),
        prewarm=_prewarm(seen.workload, now, wall),
    )


def _pending(signals: Signals, now: float, tuning: Tuning) -> float | None:
    """Likes that wait for Postgres, where that was told lately and can be."""
    backlog = signals.backlog
    if backlog is None or not -tuning.max_clock_skew_s <= now - backlog.at <= tuning.stale_s:
        return None
    return backlog.pending if 0 <= backlog.pending < math.inf else None


def flushers_observed(seen: Seen, signals: Signals) -> FlusherObservation:
    """What the decision on flushers looks at."""
    replicas, ready, backlog = seen.workload.replicas, seen.workload.ready, signals.backlog
    if backlog is None:
        return FlusherObservation(replicas, ready, None)
    return FlusherObservation(replicas, ready, backlog.at, backlog.pending, backlog.age_s, backlog.settled)


def wish_trouble(workload: Workload) -> str:
    """Why what a person asked for can't be followed, or ''."""
    try:
        prewarm_of(workload.annotations)
    except WishError as error:
        return str(error)
    return ""


def _prewarm(workload: Workload, now: float, wall: datetime) -> Prewarm | None:
    """Its end on the clock of `now`."""
    try:
        wanted = prewarm_of(workload.annotations)
    except WishError:
        return None
    return Prewarm(wanted.replicas, now + (wanted.until - wall).total_seconds()) if wanted else None
