"""Decide how many API pods to ask for. Pure: the same state, observation and time give the same decision."""

import math
from dataclasses import replace

from autoscaler.policy.assess import Assessment, assess, scale_posts
from autoscaler.policy.bounds import api_pod_bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.forecast_demand import forecast_demand, is_pending_growing
from autoscaler.policy.observation import Observation
from autoscaler.policy.scale_decision import build_decision, clamp, hold
from autoscaler.policy.scale_down import record_recommendation
from autoscaler.policy.tuning import DEFAULTS, Tuning


def decide(state: State, observation: Observation, now: float, tuning: Tuning = DEFAULTS) -> Decision:
    """Return the number of API pods to ask for at `now`, in seconds on the observation's clock.

    The number is never raised above the bounds. It is never lowered while metrics are missing, stale or partial, soon
    after a start, or while the number of pending likes grows.
    """
    state = replace(state, started_at=now if state.started_at is None else state.started_at)
    assessment = assess(observation, now, tuning)
    decide_for = _decide_without_data if assessment.no_data else _decide_with_data
    return decide_for(state, observation, assessment, now, tuning)


def _decide_without_data(
    state: State, observation: Observation, assessment: Assessment, now: float, tuning: Tuning
) -> Decision:
    """Keep the current number. Only the minimum and a prewarm request can raise it."""
    bounds, prewarm = api_pod_bounds(tuning), _prewarmed(observation, now)
    at_least = max(bounds.min_replicas, min(bounds.max_replicas, prewarm))
    desired = hold(observation.current, at_least, assessment.no_data)
    capacity = state.capacity or tuning.pod_capacity
    state = replace(state, data_since=None)
    return build_decision(desired, state, observation.current, now, {"prewarm": prewarm}, Demand(), capacity)


def _decide_with_data(
    state: State, observation: Observation, assessment: Assessment, now: float, tuning: Tuning
) -> Decision:
    capacity, assessed_at = state.capacity or tuning.pod_capacity, state.assessed_at
    demand, state = forecast_demand(state, scale_posts(observation, assessment), assessment.load, now, tuning)
    candidates = {
        "demand": _pods(demand.total, capacity * tuning.target_utilization),
        "scale_up": _pods(demand.total, capacity * tuning.scale_up_utilization),
        "prewarm": _prewarmed(observation, now),
    }
    needed, current = max(candidates["demand"], candidates["prewarm"]), observation.current
    window = record_recommendation(state.recommendations, assessed_at, current, needed, now, tuning.stabilization_s)
    state = replace(state, recommendations=window)
    blocked = assessment.partial or _scale_down_blocked(state, now, tuning)
    desired = clamp(state, current, candidates, blocked, api_pod_bounds(tuning), now, tuning)
    return build_decision(desired, state, current, now, candidates, demand, capacity)


def _scale_down_blocked(state: State, now: float, tuning: Tuning) -> str:
    """Return why no scale-down is allowed, or an empty string."""
    since_start_s = now - (state.started_at or 0.0)
    if since_start_s < tuning.restart_stabilization_s:
        return f"this autoscaler started {since_start_s:.0f} s ago"
    return "the number of pending likes grows" if is_pending_growing(state) else ""


def _prewarmed(observation: Observation, now: float) -> int:
    prewarm = observation.prewarm
    return prewarm.replicas if prewarm and now < prewarm.until else 0


def _pods(demand: float, per_pod: float) -> int:
    return math.ceil(demand / per_pod - 1e-9)
