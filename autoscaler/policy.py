"""The decision: how many API pods to ask for. Pure: the same state, observation and time give the same answer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoscaler.decision import Decision, State
from autoscaler.demand import Demand
from autoscaler.forecast import forecast, stream_grows
from autoscaler.limits import Bounds, bounds
from autoscaler.observation import Observation
from autoscaler.release import Needs, released
from autoscaler.sight import Sight, look
from autoscaler.tuning import DEFAULTS, Tuning

_GAP_S = 20.0  # without sight; after more of it holding starts anew, as what was needed then is not known


@dataclass(frozen=True, slots=True)
class _Choice:
    replicas: int
    limit: str
    reason: str


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
    current, within, prewarm = observation.current, bounds(tuning), _prewarmed(observation, now)
    least = max(within.least, min(within.most, prewarm))
    choice = _Choice(max(current, least), "min_replicas" if least > current else "blind", f"blind: {sight.blind}")
    return _decided(
        choice, state, observation, now, {"prewarm": prewarm}, Demand(), state.capacity or tuning.pod_capacity
    )


def _sighted(state: State, observation: Observation, sight: Sight, now: float, tuning: Tuning) -> Decision:
    capacity = state.capacity or tuning.pod_capacity
    seen_before = state.looked is not None and now - state.looked <= _GAP_S
    demand, state = forecast(state, observation, sight.load, now, tuning)
    candidates = {
        "demand": _pods(demand.total, capacity * tuning.target_utilisation),
        "raise": _pods(demand.total, capacity * tuning.raise_utilisation),
        "prewarm": _prewarmed(observation, now),
    }
    needs = state.needs if seen_before else Needs().after(now, observation.current, tuning.hold_s)
    needs = needs.after(now, max(candidates["demand"], candidates["prewarm"]), tuning.hold_s)
    state = replace(state, needs=needs)
    hold = sight.partial or _hold(state, now, tuning)
    choice = _choose(state, observation.current, candidates, hold, now, tuning)
    return _decided(choice, state, observation, now, candidates, demand, capacity)


def _choose(
    state: State, current: int, candidates: Mapping[str, int], hold: str, now: float, tuning: Tuning
) -> _Choice:
    within = bounds(tuning)
    if max(candidates["raise"], candidates["prewarm"], within.least) > current:
        return _raise(current, max(candidates["demand"], candidates["prewarm"]), within, tuning)
    return _release(state, current, hold, within, now, tuning)


def _raise(current: int, wanted: int, within: Bounds, tuning: Tuning) -> _Choice:
    step = math.ceil(max(1, current) * tuning.raise_factor)
    limits = [(wanted, "demand"), (step, "raise_factor"), (within.most, within.why_most)]
    replicas, limit = min(limits, key=lambda one: one[0])
    if replicas < within.least:
        return _Choice(within.least, "min_replicas", f"{within.least} pods are kept in any case")
    if replicas <= current:
        return _Choice(current, limit, f"{wanted} pods are needed, {limit} allows {replicas}")
    return _Choice(replicas, limit, f"{wanted} pods are needed")


def _release(state: State, current: int, hold: str, within: Bounds, now: float, tuning: Tuning) -> _Choice:
    since_change_s = math.inf if state.changed is None else now - state.changed
    kept = min(within.most, max(within.least, released(current, state.needs, since_change_s, tuning)))
    if kept >= current:
        return _Choice(current, "none", "enough, and not too many for long")
    if hold:
        return _Choice(current, "hold", f"nothing is released: {hold}")
    limit = "release_share" if kept > max(within.least, state.needs.most) else "demand"
    return _Choice(kept, limit, f"{state.needs.most} pods were needed in the last {tuning.hold_s:g} s")


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


def _decided(
    choice: _Choice, state: State, observation: Observation, now: float, candidates: Mapping[str, int], demand: Demand,
    capacity: float,
) -> Decision:  # fmt: skip
    if choice.replicas != observation.current:
        state = replace(state, changed=now)
    return Decision(
        choice.replicas, observation.current, choice.reason, choice.limit, candidates, demand, capacity, state
    )
