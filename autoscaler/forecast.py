"""From a look to the demand it announces, and what the look teaches for the next one. Pure.

The demand is reckoned with what was known *before* the look: more arrivals then never mean fewer pods.
"""

from dataclasses import replace

from autoscaler.arrivals import Arrivals
from autoscaler.capacity import learn
from autoscaler.decision import State
from autoscaler.demand import Demand, estimate, saturated
from autoscaler.load import Load
from autoscaler.observation import Observation
from autoscaler.tuning import Tuning
from autoscaler.virality import follow

_SIGNAL_AGE_S = 1.0  # a pod tells of the second before
_LEAD_MEMORY = 0.3  # share of a new measurement in the lead time: some three make it
_PENDING_SPAN_S = 30.0  # the stream's length is compared with what it was so long ago: it breathes with each flush
_PENDING_GROWN = 1.1  # times as long: less is breath


def forecast(state: State, observation: Observation, load: Load, now: float, tuning: Tuning) -> tuple[Demand, State]:
    """The demand, and the state for the next decision but for what this one changes."""
    capacity = state.capacity or tuning.pod_capacity
    arrivals = state.arrivals.after(now, load.arrivals)
    level, slope = _arriving(state, arrivals, load)
    lead_s = _lead(state, observation, tuning)
    demand = estimate(level, slope, load, capacity, _SIGNAL_AGE_S + lead_s, tuning.drain_s)
    missing = demand.total / (capacity * tuning.target_utilisation) - observation.replicas
    made_s = min(max(0.0, missing), tuning.max_replicas) / tuning.creation_per_s
    ahead_s = _SIGNAL_AGE_S + lead_s + made_s
    demand = estimate(level, slope, load, capacity, ahead_s, tuning.drain_s)
    climbs, viral = follow(state.climbs, observation.posts, state.looked, now, capacity, ahead_s)
    passed = 1.0 if state.looked is None else now - state.looked
    return replace(demand, viral=viral), replace(
        state, looked=now, capacity=learn(capacity, load, passed), lead_s=lead_s, level=level, slope=slope,
        full=saturated(load) and (state.full or demand.hidden > 0), arrivals=arrivals, climbs=climbs,
        pending=_pending(state, observation, now),
    )  # fmt: skip


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
