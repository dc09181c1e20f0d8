"""Turn the state of a target and the load reports into the input of a decision."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Protocol

import structlog

from autoscaler.errors import ClusterError, PrewarmError
from autoscaler.kubernetes.annotations import prewarm_of
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.targets import TargetState
from autoscaler.policy.observation import FlusherObservation, Observation, Prewarm
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.signals import Signals

log = structlog.get_logger(__name__)
# Pods have timestamps of the API server. This machine's clock may be ahead of that server's by this much.
_CLOCK_SKEW_S = 5.0


class PodApi(Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""

    def pod_startup_times_s(self, workload: Workload, since: datetime) -> list[float]:
        """Return the startup times of the pods that were created after `since`."""


@dataclass(slots=True)
class ExpectedPods:
    """The number of pods that must report: those that have been ready for the last `within_s` seconds.

    Pods above the desired number are terminating, although a Deployment's status still counts them as ready.
    """

    within_s: float
    _ready: deque[tuple[float, int]]

    @classmethod
    def within(cls, within_s: float) -> "ExpectedPods":
        """Create one without observations."""
        return cls(within_s, deque())

    def observe(self, now: float, workload: Workload) -> int:
        """Add an observation, and return the number. It is 0 until observations go back `within_s` seconds."""
        self._ready.append((now, min(workload.ready, workload.replicas)))
        while len(self._ready) > 1 and self._ready[1][0] <= now - self.within_s:
            self._ready.popleft()
        return min(count for _, count in self._ready) if self._ready[0][0] <= now - self.within_s else 0


@dataclass(slots=True)
class PodStartupTimer:
    """Measures the time from a pod's creation to its readiness, once the pods of a scale-up are ready."""

    pods: PodApi
    wall: Callable[[], datetime]
    _since: datetime | None = None
    _wanted: int = 0

    def start(self, wanted: int) -> None:
        """Begin a measurement: the Deployment was scaled up to `wanted` pods now."""
        self._since = self._since or datetime.fromtimestamp(self.wall().timestamp() - _CLOCK_SKEW_S, UTC)
        self._wanted = wanted

    def measure(self, workload: Workload) -> float | None:
        """Return the median in seconds once after each scale-up, else None. Return None if pods cannot be listed."""
        if self._since is None or workload.ready < min(self._wanted, workload.replicas):
            return None
        since, self._since = self._since, None
        try:
            times_s = self.pods.pod_startup_times_s(workload, since)
        except ClusterError as error:
            log.warning("pod startup not measured: the last measurement stays in use", reason=str(error))
            return None
        return median(times_s) if times_s else None


def build_observation(
    state: TargetState,
    signals: Signals,
    now: float,
    wall: datetime,
    tuning: Tuning,
    *,
    expected: int,
    pod_startup_s: float | None,
) -> Observation:
    """Build the input of the decision on API pods. A prewarm that cannot be read is ignored; see `prewarm_error`."""
    return Observation(
        replicas=state.workload.replicas,
        min_replicas=state.hpa.min_replicas if state.hpa else None,
        expected=expected,
        pods=signals.pods,
        posts=signals.posts,
        pod_startup_s=pod_startup_s,
        pending=_pending(signals, now, tuning),
        prewarm=_prewarm(state.workload, now, wall),
    )


def build_flusher_observation(state: TargetState, signals: Signals) -> FlusherObservation:
    """Build the input of the decision on flushers."""
    replicas, ready, backlog = state.workload.replicas, state.workload.ready, signals.backlog
    if backlog is None:
        return FlusherObservation(replicas, ready, None)
    return FlusherObservation(replicas, ready, backlog.at, backlog.pending, backlog.age_s, backlog.stored_per_s)


def prewarm_error(workload: Workload) -> str:
    """Return why the prewarm annotation cannot be followed, or an empty string."""
    try:
        prewarm_of(workload.annotations)
    except PrewarmError as error:
        return str(error)
    return ""


def _pending(signals: Signals, now: float, tuning: Tuning) -> float | None:
    """Return the likes that wait for Postgres, or None if the report is old or impossible."""
    backlog = signals.backlog
    if backlog is None or not -tuning.max_clock_skew_s <= now - backlog.at <= tuning.stale_s:
        return None
    return backlog.pending if 0 <= backlog.pending < math.inf else None


def _prewarm(workload: Workload, now: float, wall: datetime) -> Prewarm | None:
    """Return the prewarm with its end on the clock of `now`."""
    try:
        request = prewarm_of(workload.annotations)
    except PrewarmError:
        return None
    return Prewarm(request.replicas, now + (request.until - wall).total_seconds()) if request else None
