"""One round for one Deployment: look, decide, and do it where that is allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Protocol

from autoscaler.controller.journal import Entry, entry_of
from autoscaler.controller.metrics import Metrics
from autoscaler.controller.observe import Expected, Lead, flushers_observed, observed
from autoscaler.errors import ConflictError
from autoscaler.kubernetes.annotations import is_paused
from autoscaler.kubernetes.targets import Seen, Target
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.signals.signals import Signals

_TRIES = 4  # of a round: what has changed since it was read is read again, as each pod that gets ready changes it


@dataclass(frozen=True, slots=True)
class Moment:
    """When a round is, by both clocks, and what was told. `why_not` says why nothing may be done, '' where it may."""

    now: float
    wall: datetime
    signals: Signals
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What a round came to."""

    seen: Seen
    entry: Entry
    blind: bool = False


class Steered(Protocol):
    """A Deployment that is steered."""

    def step(self, moment: Moment) -> Step:
        """One round. Raises ClusterError's kinds."""


class ApiPods:
    """Steers the API's pods."""

    def __init__(self, target: Target, lead: Lead, tuning: Tuning, metrics: Metrics, me: str) -> None:
        self._target, self._lead, self._tuning, self._metrics, self._me = target, lead, tuning, metrics, me
        self._expected = Expected.within(tuning.stale_s)
        self._state = State()
        self._lead_s: float | None = None  # measured, and not yet in the state

    def step(self, moment: Moment) -> Step:
        """See `Steered`. Lead times are asked for last: no raise waits for them, nor ends with them."""
        before, lead_s = self._state, self._lead_s
        step = _step(
            self._target, moment, self._metrics, self._me, lambda seen: self._decide(before, lead_s, seen, moment)
        )
        self._measure(step)
        return step

    def _measure(self, step: Step) -> None:
        self._lead_s = self._lead.look(step.seen.workload)
        if self._lead_s is not None:
            self._metrics.lead.set(self._lead_s)
        if step.entry.replicas > step.entry.current and not step.entry.held_back:
            self._lead.raised(step.entry.replicas)

    def _decide(self, before: State, lead_s: float | None, seen: Seen, moment: Moment) -> Decision:
        expected = self._expected.look(moment.now, seen.workload)
        observation = observed(
            seen, moment.signals, moment.now, moment.wall, self._tuning, expected=expected, lead_s=lead_s
        )
        began = perf_counter()
        decision = decide(before, observation, moment.now, _within(self._tuning, seen))
        self._metrics.decision_s.observe(perf_counter() - began)
        self._metrics.decided(decision)
        self._state, self._lead_s = decision.state, None
        return decision


class Flushers:
    """Steers the flushers."""

    def __init__(self, target: Target, tuning: Tuning, metrics: Metrics, me: str) -> None:
        self._target, self._tuning, self._metrics, self._me = target, tuning, metrics, me
        self._state = State()

    def step(self, moment: Moment) -> Step:
        """See `Steered`."""
        before = self._state
        return _step(self._target, moment, self._metrics, self._me, lambda seen: self._decide(before, seen, moment))

    def _decide(self, before: State, seen: Seen, moment: Moment) -> Decision:
        decision = decide_flushers(before, flushers_observed(seen, moment.signals), moment.now, self._tuning)
        self._state = decision.state
        return decision


def _step(target: Target, moment: Moment, metrics: Metrics, me: str, decision_on: Callable[[Seen], Decision]) -> Step:
    """Look, decide and do it; once more where what was looked at has changed meanwhile."""
    if moment.why_not:
        target.left()
    for left in reversed(range(_TRIES)):
        seen = target.look(moment.now)
        decision = decision_on(seen)
        held_back = moment.why_not or held_back_by(seen)
        try:
            done = "" if held_back else target.act(seen, decision.replicas)
        except ConflictError:
            metrics.conflicts.inc()
            if left:
                continue
            raise
        entry = entry_of(decision, by=me, deployment=target.deployment, done=done, held_back=held_back)
        return Step(seen, entry, blind=decision.limit == "no_data")
    raise AssertionError("unreachable: the last try returns or raises")


def held_back_by(seen: Seen) -> str:
    """Why what was decided may not be done to what was seen, or ''."""
    if is_paused(seen.workload.annotations):
        return "paused by people"
    if seen.workload.replicas == 0:
        return "the Deployment is scaled to 0: somebody has switched it off"
    if seen.left_alone_s > 0:
        return f"another has changed it: left alone for {seen.left_alone_s:.0f} s yet"
    return ""


def _within(tuning: Tuning, seen: Seen) -> Tuning:
    """The HPA's ceiling is the most, and the least is the own base or what others set, whichever is more."""
    if seen.floor is None:
        return tuning
    most = min(tuning.max_replicas, seen.floor.most)
    least = min(max(tuning.min_replicas, seen.base), most)
    return tuning.model_copy(update={"min_replicas": least, "max_replicas": most})
