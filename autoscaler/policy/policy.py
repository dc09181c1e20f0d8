"""The decision: how many API pods to ask for. Pure: the same state, observation and time give the same answer."""

import math
from dataclasses import replace

from autoscaler.policy.assess import forecast, stream_grows
from autoscaler.policy.bounds import bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.forecast.load import Sight, look, whole
from autoscaler.policy.observation import Observation
from autoscaler.policy.scale import choose, decided, kept
from autoscaler.policy.scale_down import after_look
from autoscaler.policy.tuning import DEFAULTS, Tuning


def decide(state: State, observation: Observation, now: float, tuning: Tuning = DEFAULTS) -> Decision:
    """What to ask for at `now`, in seconds on the observation's clock.

    Never more than the bounds allow, unless that is there already; never less than is there while metrics are missing,
    stale or partial, soon after a start, or while the stream of pending likes grows.
    """
    state = replace(state, began=now if state.began is None else state.began)
    sight = look(observation, now, tuning)
    return (_blind if sight.blind else _sighted)(state, observation, sight, now, tuning)


def _blind(state: State, observation: Observation, sight: Sight, now: float, tuning: Tuning) -> Decision:
    """What is there stays; only the minimum and a person's wish can raise it."""
    within, prewarm = bounds(tuning), _prewarmed(observation, now)
    choice = kept(observation.current, max(within.least, min(within.most, prewarm)), sight.blind)
    capacity = state.capacity or tuning.pod_capacity
    state = replace(state, sighted=None)
    return decided(choice, state, observation.current, now, {"prewarm": prewarm}, Demand(), capacity)


def _sighted(state: State, observation: Observation, sight: Sight, now: float, tuning: Tuning) -> Decision:
    capacity = state.capacity or tuning.pod_capacity
    looked = state.looked
    demand, state = forecast(state, whole(observation, sight), sight.load, now, tuning)
    candidates = {
        "demand": _pods(demand.total, capacity * tuning.target_utilisation),
        "raise": _pods(demand.total, capacity * tuning.raise_utilisation),
        "prewarm": _prewarmed(observation, now),
    }
    wanted = max(candidates["demand"], candidates["prewarm"])
    needs = after_look(state.needs, looked, observation.current, wanted, now, tuning.hold_s)
    state = replace(state, needs=needs)
    hold = sight.partial or _hold(state, now, tuning)
    choice = choose(state, observation.current, candidates, hold, bounds(tuning), now, tuning)
    return decided(choice, state, observation.current, now, candidates, demand, capacity)


def _hold(state: State, now: float, tuning: Tuning) -> str:
    """Why nothing may be released, or an empty string."""
    since = now - (state.began or 0.0)
    if since < tuning.restart_hold_s:
        return f"this autoscaler started {since:.0f} s ago"
    return "the stream of pending likes grows" if stream_grows(state) else ""


def _prewarmed(observation: Observation, now: float) -> int:
    prewarm = observation.prewarm
    return prewarm.replicas if prewarm and now < prewarm.until else 0


def _pods(demand: float, each: float) -> int:
    return math.ceil(demand / each - 1e-9)
