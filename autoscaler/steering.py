"""One round for one Deployment: look, decide, and do it where that is allowed."""

from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Protocol

from autoscaler.decision import Decision, State
from autoscaler.errors import ConflictError
from autoscaler.journal import Entry, entry_of
from autoscaler.metrics import Metrics
from autoscaler.observation import Observation
from autoscaler.policy import decide
from autoscaler.sightings import Expected, Lead, observed
from autoscaler.signals import Signals
from autoscaler.targets import Seen, Target
from autoscaler.tuning import Tuning
from autoscaler.wishes import is_paused

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

    def step(self, moment: Moment) -> Step:
        """See `Steered`."""
        if moment.why_not:
            self._target.left()
        before = self._state
        for attempt in range(_TRIES):
            seen = self._target.look(moment.now)
            lead_s = None if attempt else self._lead.look(seen.workload)
            decision = self._decide(before, seen, moment, lead_s)
            try:
                return self._acted(seen, decision, moment)
            except ConflictError:
                self._metrics.conflicts.inc()
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _decide(self, before: State, seen: Seen, moment: Moment, lead_s: float | None) -> Decision:
        expected = self._expected.look(moment.now, seen.workload.ready)
        observation: Observation = observed(
            seen, moment.signals, moment.now, moment.wall, expected=expected, lead_s=lead_s
        )
        began = perf_counter()
        decision = decide(before, observation, moment.now, _within(self._tuning, seen))
        self._metrics.decision_s.observe(perf_counter() - began)
        self._metrics.decided(decision)
        if lead_s is not None:
            self._metrics.lead.set(lead_s)
        self._state = decision.state
        return decision

    def _acted(self, seen: Seen, decision: Decision, moment: Moment) -> Step:
        held_back = moment.why_not or held_back_by(seen)
        done = "" if held_back else self._target.act(seen, decision.replicas)
        if decision.replicas > decision.current:
            self._lead.raised(decision.replicas)
        entry = entry_of(decision, by=self._me, deployment=self._target.deployment, done=done, held_back=held_back)
        return Step(seen, entry, blind=decision.limit == "blind")


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
