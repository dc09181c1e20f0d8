"""Decide how many flushers to ask for, from the likes that wait for Postgres and their age. Pure."""

import math
from dataclasses import replace

from autoscaler.policy.bounds import Bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.scale_decision import build_decision, clamp, hold
from autoscaler.policy.scale_down import record_recommendation
from autoscaler.policy.tuning import DEFAULTS, Tuning

# The growth of the pending likes is measured over this time, as their number falls with each flush, twice a second.
_PENDING_SPAN_S = 10.0
# The demand on late flushers is assumed to be this many times what they store, as the streams don't show the demand.
_LATE_FACTOR = 2
# Weight of a new measurement in the learned capacity: about ten measurements replace it.
_CAPACITY_WEIGHT = 0.1
# Factor over the span from which the number of pending likes counts as growing.
_PENDING_GROWTH = 1.1


def decide_flushers(state: State, observation: FlusherObservation, now: float, tuning: Tuning = DEFAULTS) -> Decision:
    """Return the number of flushers to ask for at `now`, by the rules of the API pods.

    `capacity` and the demand are in likes/s. More flushers don't help where Postgres is the bottleneck; `max_flushers`
    limits that case.
    """
    state = replace(state, started_at=now if state.started_at is None else state.started_at)
    if no_data := _explain_no_data(observation, now, tuning):
        desired = hold(observation.replicas, _bounds(tuning).min_replicas, no_data)
        capacity = state.capacity or tuning.flusher_capacity
        return build_decision(desired, state, observation.replicas, now, {}, Demand(), capacity)
    return _decide_with_data(state, observation, now, tuning)


def _decide_with_data(state: State, observation: FlusherObservation, now: float, tuning: Tuning) -> Decision:
    capacity, current, assessed_at = state.capacity or tuning.flusher_capacity, observation.replicas, state.assessed_at
    late = observation.age_s >= tuning.max_pending_age_s
    state, growth = _updated(state, observation, late, capacity, now)
    demand = Demand(
        arrivals=observation.stored_per_s + growth,
        backlog=observation.pending / tuning.queue_drain_s,
        censored=_LATE_FACTOR * observation.ready * capacity * tuning.scale_up_utilization if late else 0.0,
    )
    shares = {"demand": tuning.target_utilization, "scale_up": tuning.scale_up_utilization}
    candidates = {name: math.ceil(demand.total / (capacity * share) - 1e-9) for name, share in shares.items()}
    window = record_recommendation(
        state.recommendations, assessed_at, current, candidates["demand"], now, tuning.stabilization_s
    )
    state = replace(state, recommendations=window)
    desired = clamp(state, current, candidates, _scale_down_blocked(state, now, tuning), _bounds(tuning), now, tuning)
    return build_decision(desired, state, current, now, candidates, demand, capacity)


def _bounds(tuning: Tuning) -> Bounds:
    return Bounds(tuning.min_flushers, tuning.max_flushers, "max_flushers")


def _explain_no_data(observation: FlusherObservation, now: float, tuning: Tuning) -> str:
    """Return why the observation can't be trusted, or an empty string."""
    if observation.at is None:
        return "no flusher has reported"
    values = (observation.at, observation.pending, observation.age_s, observation.stored_per_s)
    if not math.isfinite(sum(values)) or min(values[1:]) < 0:
        return "every report is invalid"
    if observation.at > now + tuning.max_clock_skew_s:
        return f"the newest report is {observation.at - now:.0f} s in the future"
    if observation.at < now - tuning.stale_s:
        return f"the newest report is {now - observation.at:.0f} s old, the limit is {tuning.stale_s:g} s"
    return ""


def _updated(
    state: State, observation: FlusherObservation, late: bool, capacity: float, now: float
) -> tuple[State, float]:
    """Return the state with this observation, and the growth of the pending likes in likes/s.

    The capacity is learned only while flushers are late, because only then do they store as much as they can.
    """
    kept = (entry for entry in state.pending_history if entry[0] >= now - _PENDING_SPAN_S)
    history = (*kept, (now, observation.pending))
    passed = now - history[0][0]
    growth = max(0.0, observation.pending - history[0][1]) / passed if passed > 0 else 0.0
    if late and observation.ready > 0 and observation.stored_per_s > 0:
        capacity += _CAPACITY_WEIGHT * (observation.stored_per_s / observation.ready - capacity)
    return replace(state, assessed_at=now, capacity=capacity, pending_history=history), growth


def _scale_down_blocked(state: State, now: float, tuning: Tuning) -> str:
    """Return why no scale-down is allowed, or an empty string."""
    since_start_s = now - (state.started_at or 0.0)
    if since_start_s < tuning.restart_stabilization_s:
        return f"this autoscaler started {since_start_s:.0f} s ago"
    if state.pending_history[-1][1] > _PENDING_GROWTH * state.pending_history[0][1]:
        return "the number of pending likes grows"
    return ""
