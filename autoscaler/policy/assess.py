"""From a look to the demand it announces, and what the look teaches for the next one. Pure.

The demand is reckoned with what was known *before* the look: more arrivals then never mean fewer pods.
"""

from dataclasses import dataclass, replace

from autoscaler.policy.decision import State
from autoscaler.policy.forecast.arrivals import LEVEL_AGE_S, Arrivals
from autoscaler.policy.forecast.backlog import on_top, waiting
from autoscaler.policy.forecast.capacity import learn
from autoscaler.policy.forecast.demand import Demand, grown
from autoscaler.policy.forecast.load import Load
from autoscaler.policy.forecast.saturation import hidden, hiding_since, overflowing, saturated
from autoscaler.policy.forecast.virality import follow
from autoscaler.policy.observation import Observation
from autoscaler.policy.tuning import Tuning

_SIGNAL_AGE_S = 1.0  # a pod tells of the second before
_LEAD_MEMORY = 0.3  # share of a new measurement in the lead time: some three make it
_BEGINS_S = 3.0  # from the first tell: pods tell each second, so all are heard by then
_PENDING_SPAN_S = 30.0  # the stream's length is compared with what it was so long ago: it breathes with each flush
_PENDING_GROWN = 1.1  # times as long: less is breath


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look gives, and what was known before it."""

    state: State
    observation: Observation
    load: Load
    now: float
    capacity: float
    tuning: Tuning

    def ahead_s(self, level: float, slope: float, lead_s: float) -> float:
        """Seconds until all that is missing serves: the more, the longer it takes to make."""
        soonest_s = _SIGNAL_AGE_S + lead_s
        demand = self.demand(level, slope, soonest_s)
        missing = demand.total / (self.capacity * self.tuning.target_utilisation) - self.observation.replicas
        return soonest_s + min(max(0.0, missing), self.tuning.max_replicas) / self.tuning.creation_per_s

    def demand(self, level: float, slope: float, ahead_s: float, viral: float = 0.0) -> Demand:
        """The demand after a time, from arrivals in requests/s and their slope in requests/s²."""
        load, replicas = self.load, self.observation.replicas
        growth = grown(level, slope, ahead_s + LEVEL_AGE_S)
        on_average = (load.pods + max(load.pods, replicas)) / 2  # those on their way come within the time
        waits = waiting(load.queue, level + growth / 2, on_average, self.capacity, ahead_s)
        demand = Demand(
            arrivals=level, growth=growth, viral=viral, ahead_s=ahead_s,
            hidden=hidden(load, self.state.hiding, self.capacity, self.now),
        )  # fmt: skip
        drain, utilisation = waits / self.tuning.drain_s, self.tuning.target_utilisation
        return replace(demand, backlog=on_top(level + demand.rise, demand.rise, drain, utilisation))


def forecast(state: State, observation: Observation, load: Load, now: float, tuning: Tuning) -> tuple[Demand, State]:
    """The demand, and the state for the next decision but for what this one changes."""
    capacity = state.capacity or tuning.pod_capacity
    look = _Look(state, observation, load, now, capacity, tuning)
    arrivals = state.arrivals.after(now, load.arrivals)
    level, slope = _arriving(state, arrivals, load)
    lead_s = _lead(state, observation, tuning)
    ahead_s = look.ahead_s(level, slope, lead_s)
    began, seen = _sight(state, now)
    climbs, viral = follow(state.climbs if seen else {}, observation.posts, seen, now, capacity, ahead_s)
    passed = 1.0 if state.looked is None else now - state.looked
    overflow = overflowing(state.overflow, load, passed)
    hiding = hiding_since(state.hiding, load, overflow, capacity, now)
    return look.demand(level, slope, ahead_s, viral), replace(
        state, sighted=began, looked=now, capacity=learn(capacity, load, passed), lead_s=lead_s, level=level,
        slope=slope, full=saturated(load) and (state.full or hiding is not None), hiding=hiding, overflow=overflow,
        arrivals=arrivals, climbs=climbs, pending=_pending(state, observation, now),
    )  # fmt: skip


def _sight(state: State, now: float) -> tuple[float, float | None]:
    """Since when pods have been heard without a break; and when their posts were last looked at, None while pods only
    begin to be heard: what then becomes more is who tells.
    """
    began = now if state.sighted is None else state.sighted
    return began, state.looked if now - began >= _BEGINS_S else None


def _arriving(state: State, arrivals: Arrivals, load: Load) -> tuple[float, float]:
    """Arrivals in requests/s and their slope. Saturated pods let no fall be seen; full ones take in more as they become
    more, which is no rise: the slope from before goes on.
    """
    level = max(arrivals.level(), state.level if saturated(load) else 0.0)
    return level, state.slope if state.full else arrivals.growth()


def stream_grows(state: State) -> bool:
    """Whether likes pile up before Postgres; less than a second's likes only wait for the next flush."""
    if not state.pending:
        return False
    newest, oldest = state.pending[-1][1], state.pending[0][1]
    return newest > max(_PENDING_GROWN * oldest, state.level)


def _lead(state: State, observation: Observation, tuning: Tuning) -> float:
    known = state.lead_s or tuning.lead_s
    return known if observation.lead_s is None else known + _LEAD_MEMORY * (observation.lead_s - known)


def _pending(state: State, observation: Observation, now: float) -> tuple[tuple[float, float], ...]:
    if observation.pending is None:
        return state.pending
    kept = [entry for entry in state.pending if entry[0] >= now - _PENDING_SPAN_S]
    return (*kept, (now, observation.pending))
