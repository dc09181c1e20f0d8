"""From what is needed to what is asked for: raised at once, released late, within bounds. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoscaler.policy.bounds import Bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.scale_down import released
from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Choice:
    """`replicas`, what bound them, and a sentence about it."""

    replicas: int
    limit: str
    reason: str


def kept(current: int, least: int, blind: str) -> Choice:
    """Without sight: what is there stays, unless the minimum or a person wants more."""
    return Choice(max(current, least), "least" if least > current else "blind", f"blind: {blind}")


def choose(
    state: State, current: int, candidates: Mapping[str, int], hold: str, within: Bounds, now: float, tuning: Tuning
) -> Choice:
    """`candidates`: pods for the `demand`; pods without which more are to be made at once, `raise`; `prewarm`, if any.

    `hold` says why nothing may be released, or is empty.
    """
    prewarm = candidates.get("prewarm", 0)
    if max(candidates["raise"], prewarm, within.least) > current:
        return _raise(current, max(candidates["demand"], prewarm), within, tuning)
    return _release(state, current, hold, within, now, tuning)


def decided(
    choice: Choice,
    state: State,
    current: int,
    now: float,
    candidates: Mapping[str, int],
    demand: Demand,
    capacity: float,
) -> Decision:
    """The decision, with a state that remembers when something was changed."""
    if choice.replicas != current:
        state = replace(state, changed=now)
    return Decision(choice.replicas, current, choice.reason, choice.limit, candidates, demand, capacity, state)


def _raise(current: int, wanted: int, within: Bounds, tuning: Tuning) -> Choice:
    step = math.ceil(max(1, current) * tuning.raise_factor)
    limits = [(wanted, "demand"), (step, "raise_factor"), (within.most, within.why_most)]
    replicas, limit = min(limits, key=lambda one: one[0])
    if replicas < within.least:
        return Choice(within.least, "min_replicas", f"{within.least} pods are kept in any case")
    if replicas <= current:
        return Choice(current, limit, f"{wanted} pods are needed, {limit} allows {replicas}")
    return Choice(replicas, limit, f"{wanted} pods are needed")


def _release(state: State, current: int, hold: str, within: Bounds, now: float, tuning: Tuning) -> Choice:
    since_change_s = math.inf if state.changed is None else now - state.changed
    kept = min(within.most, max(within.least, released(current, state.needs, since_change_s, tuning)))
    if kept >= current:
        return Choice(current, "none", "enough, and not too many for long")
    if hold:
        return Choice(current, "hold", f"nothing is released: {hold}")
    limit = "release_share" if kept > max(within.least, state.needs.most) else "demand"
    return Choice(kept, limit, f"{state.needs.most} pods were needed in the last {tuning.hold_s:g} s")
