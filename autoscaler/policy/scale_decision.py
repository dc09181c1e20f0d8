"""Turn the needed number of pods into the number to ask for: up at once, down late, within bounds. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoscaler.policy.bounds import Bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.scale_down import scale_down
from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class DesiredReplicas:
    """A number of pods to ask for, the name of the limit that applied, and a sentence that explains it."""

    replicas: int
    limit: str
    reason: str


def hold(current: int, at_least: int, no_data: str) -> DesiredReplicas:
    """Return the replicas to ask for without data: the current number, or `at_least` if that is more.

    `at_least` is the minimum or a prewarm request. `no_data` says why there is no data.
    """
    limit = "min_replicas" if at_least > current else "no_data"
    return DesiredReplicas(max(current, at_least), limit, f"no data: {no_data}")


def clamp(
    state: State, current: int, candidates: Mapping[str, int], blocked: str, bounds: Bounds, now: float, tuning: Tuning
) -> DesiredReplicas:
    """Return the replicas to ask for with data.

    `candidates` holds the pods for the `demand`, the `scale_up` threshold (pods are added if it is above the current
    number), and optionally the pods of a `prewarm` request. `blocked` says why no scale-down is allowed; it is empty if
    one is.
    """
    prewarm = candidates.get("prewarm", 0)
    if max(candidates["scale_up"], prewarm, bounds.min_replicas) > current:
        return _clamp_up(current, max(candidates["demand"], prewarm), bounds, tuning)
    return _clamp_down(state, current, blocked, bounds, now, tuning)


def build_decision(
    desired: DesiredReplicas,
    state: State,
    current: int,
    now: float,
    candidates: Mapping[str, int],
    demand: Demand,
    capacity: float,
) -> Decision:
    """Return the decision. Its state records the time of a change."""
    if desired.replicas != current:
        state = replace(state, changed_at=now)
    return Decision(desired.replicas, current, desired.reason, desired.limit, candidates, demand, capacity, state)


def _clamp_up(current: int, needed: int, bounds: Bounds, tuning: Tuning) -> DesiredReplicas:
    step = math.ceil(max(1, current) * tuning.max_scale_up_factor)
    limits = [(needed, "demand"), (step, "max_scale_up_factor"), (bounds.max_replicas, bounds.max_limit)]
    replicas, limit = min(limits, key=lambda pair: pair[0])
    if replicas < bounds.min_replicas:
        return DesiredReplicas(bounds.min_replicas, "min_replicas", f"the minimum is {bounds.min_replicas} pods")
    if replicas <= current:
        return DesiredReplicas(current, limit, f"{needed} pods are needed, {limit} allows {replicas}")
    return DesiredReplicas(replicas, limit, f"{needed} pods are needed")


def _clamp_down(
    state: State, current: int, blocked: str, bounds: Bounds, now: float, tuning: Tuning
) -> DesiredReplicas:
    since_change_s = math.inf if state.changed_at is None else now - state.changed_at
    window = state.recommendations
    kept = scale_down(current, window, since_change_s, tuning)
    kept = min(bounds.max_replicas, max(bounds.min_replicas, kept))
    if kept >= current:
        return DesiredReplicas(current, "none", "enough pods, and no lasting surplus")
    if blocked:
        return DesiredReplicas(current, "blocked", f"no scale-down: {blocked}")
    limit = "max_scale_down_share" if kept > max(bounds.min_replicas, window.maximum) else "demand"
    return DesiredReplicas(kept, limit, f"{window.maximum} pods were needed in the last {tuning.stabilization_s:g} s")
