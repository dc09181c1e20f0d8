"""How many flushers to ask for, by the likes that wait for Postgres and their age. Pure."""

import math
from dataclasses import replace

from autoscaler.policy.bounds import Bounds
from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.scale import choose, decided, kept
from autoscaler.policy.scale_down import after_look
from autoscaler.policy.tuning import DEFAULTS, Tuning

_SPAN_S = 10.0  # over which the stream's growth is taken: it breathes with each flush, twice a second
_BEHIND_FACTOR = 2  # times the flushers that run, where they are behind: how far behind, a stream does not tell
_MEMORY = 0.1  # share of a look in the learned capacity: some ten looks
_GROWN = 1.1  # times the stream's length a span ago from which it grows


def decide_flushers(state: State, observation: FlusherObservation, now: float, tuning: Tuning = DEFAULTS) -> Decision:
    """What to ask for at `now`; the rules are those of the pods. `capacity` and the demand are in likes/s.

    More flushers do not help where Postgres is what is slow; `max_flushers` is the end of it.
    """
    state = replace(state, began=now if state.began is None else state.began)
    if blind := _why_blind(observation, now, tuning):
        choice = kept(observation.replicas, _bounds(tuning).least, blind)
        capacity = state.capacity or tuning.flusher_capacity
        return decided(choice, state, observation.replicas, now, {}, Demand(), capacity)
    return _sighted(state, observation, now, tuning)


def _sighted(state: State, observation: FlusherObservation, now: float, tuning: Tuning) -> Decision:
    capacity, current, looked = state.capacity or tuning.flusher_capacity, observation.replicas, state.looked
    behind = observation.age_s >= tuning.flush_age_s
    state, growth = _followed(state, observation, behind, capacity, now)
    demand = Demand(
        arrivals=observation.settled + growth,
        backlog=observation.pending / tuning.drain_s,
        hidden=_BEHIND_FACTOR * observation.ready * capacity * tuning.raise_utilisation if behind else 0.0,
    )
    shares = {"demand": tuning.target_utilisation, "raise": tuning.raise_utilisation}
    candidates = {name: math.ceil(demand.total / (capacity * share) - 1e-9) for name, share in shares.items()}
    needs = after_look(state.needs, looked, current, candidates["demand"], now, tuning.hold_s)
    state = replace(state, needs=needs)
    choice = choose(state, current, candidates, _hold(state, now, tuning), _bounds(tuning), now, tuning)
    return decided(choice, state, current, now, candidates, demand, capacity)


def _bounds(tuning: Tuning) -> Bounds:
    return Bounds(tuning.min_flushers, tuning.max_flushers, "max_flushers")


def _why_blind(observation: FlusherObservation, now: float, tuning: Tuning) -> str:
    if observation.at is None:
        return "no flusher has spoken"
    figures = (observation.at, observation.pending, observation.age_s, observation.settled)
    if not math.isfinite(sum(figures)) or min(figures[1:]) < 0:
        return "no flusher's figures can be right"
    if observation.at > now + tuning.future_s:
        return f"figures are from {observation.at - now:.0f} s ahead"
    if observation.at < now - tuning.stale_s:
        return f"the newest figures are {now - observation.at:.0f} s old, more than {tuning.stale_s:g} s"
    return ""


def _followed(
    state: State, observation: FlusherObservation, behind: bool, capacity: float, now: float
) -> tuple[State, float]:
    """The state with this look, and by how much the stream grows, in likes/s. Flushers show what they can do only while
    they are behind.
    """
    pending = (*(entry for entry in state.pending if entry[0] >= now - _SPAN_S), (now, observation.pending))
    passed = now - pending[0][0]
    growth = max(0.0, observation.pending - pending[0][1]) / passed if passed > 0 else 0.0
    if behind and observation.ready > 0 and observation.settled > 0:
        capacity += _MEMORY * (observation.settled / observation.ready - capacity)
    return replace(state, looked=now, capacity=capacity, pending=pending), growth


def _hold(state: State, now: float, tuning: Tuning) -> str:
    since = now - (state.began or 0.0)
    if since < tuning.restart_hold_s:
        return f"this autoscaler started {since:.0f} s ago"
    if state.pending[-1][1] > _GROWN * state.pending[0][1]:
        return "the stream of pending likes grows"
    return ""
