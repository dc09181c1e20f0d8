"""Reconcile one Deployment: observe it, decide, and apply the decision if that is allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Protocol

from autoscaler.controller.journal import Entry, entry_of
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import (
    ExpectedPods,
    PodStartupTimer,
    build_flusher_observation,
    build_observation,
)
from autoscaler.errors import ConflictError
from autoscaler.kubernetes.annotations import is_paused
from autoscaler.kubernetes.targets import ScaleTarget, TargetState
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.signals import Signals

# Each pod that becomes ready changes its Deployment, so a conflict is observed and decided again in the same round.
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of a round by both clocks, and what was read.

    `suppressed_by` says why this replica may not write, or is empty.
    """

    now: float
    wall: datetime
    signals: Signals
    suppressed_by: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a round for one Deployment. `no_data` is true if there was no recent load report."""

    state: TargetState
    entry: Entry
    no_data: bool = False


class Reconciler(Protocol):
    """A Deployment that the autoscaler scales."""

    def reconcile(self, tick: Tick) -> Outcome:
        """Do one round. Raises ClusterError's kinds."""


class ApiPodsReconciler:
    """Scales the API pods."""

    def __init__(
        self, target: ScaleTarget, timer: PodStartupTimer, tuning: Tuning, metrics: Metrics, identity: str
    ) -> None:
        self._target, self._timer, self._tuning = target, timer, tuning
        self._metrics, self._identity = metrics, identity
        self._expected = ExpectedPods.within(tuning.stale_s)
        self._state = State()
        # The last measurement that no decision has used yet.
        self._pod_startup_s: float | None = None

    def reconcile(self, tick: Tick) -> Outcome:
        """See `Reconciler`. Pods are listed last, so that no scale-up waits for the list or fails with it."""
        # An attempt that meets a conflict must not leave its state behind.
        before, pod_startup_s = self._state, self._pod_startup_s
        outcome = _reconcile(
            self._target,
            tick,
            self._metrics,
            self._identity,
            lambda state: self._decide(before, pod_startup_s, state, tick),
        )
        self._measure(outcome)
        return outcome

    def _measure(self, outcome: Outcome) -> None:
        self._pod_startup_s = self._timer.measure(outcome.state.workload)
        if self._pod_startup_s is not None:
            self._metrics.pod_startup.set(self._pod_startup_s)
        if outcome.entry.replicas > outcome.entry.current and not outcome.entry.suppressed_by:
            self._timer.start(outcome.entry.replicas)

    def _decide(self, before: State, pod_startup_s: float | None, state: TargetState, tick: Tick) -> Decision:
        expected = self._expected.observe(tick.now, state.workload)
        observation = build_observation(
            state, tick.signals, tick.now, tick.wall, self._tuning, expected=expected, pod_startup_s=pod_startup_s
        )
        began = perf_counter()
        decision = decide(before, observation, tick.now, _bounded(self._tuning, state))
        self._metrics.decision_s.observe(perf_counter() - began)
        self._metrics.show_decision(decision)
        self._state, self._pod_startup_s = decision.state, None
        return decision


class FlushersReconciler:
    """Scales the flushers."""

    def __init__(self, target: ScaleTarget, tuning: Tuning, metrics: Metrics, identity: str) -> None:
        self._target, self._tuning, self._metrics, self._identity = target, tuning, metrics, identity
        self._state = State()

    def reconcile(self, tick: Tick) -> Outcome:
        """See `Reconciler`."""
        before = self._state
        return _reconcile(
            self._target, tick, self._metrics, self._identity, lambda state: self._decide(before, state, tick)
        )

    def _decide(self, before: State, state: TargetState, tick: Tick) -> Decision:
        observation = build_flusher_observation(state, tick.signals)
        decision = decide_flushers(before, observation, tick.now, self._tuning)
        self._state = decision.state
        return decision


def _reconcile(
    target: ScaleTarget, tick: Tick, metrics: Metrics, identity: str, decide_on: Callable[[TargetState], Decision]
) -> Outcome:
    """Observe, decide and apply. Start over if the target has changed in between."""
    if tick.suppressed_by:
        target.stop_leading()
    for attempts_left in reversed(range(_ATTEMPTS)):
        state = target.observe(tick.now)
        decision = decide_on(state)
        suppressed_by = tick.suppressed_by or _suppression_of(state)
        try:
            action = "" if suppressed_by else target.apply(state, decision.replicas)
        except ConflictError:
            metrics.conflicts.inc()
            if attempts_left:
                continue
            raise
        entry = entry_of(
            decision, by=identity, deployment=target.deployment, action=action, suppressed_by=suppressed_by
        )
        return Outcome(state, entry, no_data=decision.limit == "no_data")
    raise AssertionError("unreachable: the last attempt returns or raises")


def _suppression_of(state: TargetState) -> str:
    """Return why the decision may not be applied to this target, or an empty string."""
    if is_paused(state.workload.annotations):
        return "paused by an operator"
    if state.workload.replicas == 0:
        return "the Deployment has 0 replicas: somebody has switched it off"
    if state.backoff_left_s > 0:
        return f"changed by somebody else: left alone for {state.backoff_left_s:.0f} s more"
    return ""


def _bounded(tuning: Tuning, state: TargetState) -> Tuning:
    """Limit the bounds by the HPA: its `maxReplicas`, and the baseline that somebody else set."""
    if state.hpa is None:
        return tuning
    most = min(tuning.max_replicas, state.hpa.max_replicas)
    least = min(max(tuning.min_replicas, state.baseline), most)
    return tuning.model_copy(update={"min_replicas": least, "max_replicas": most})
