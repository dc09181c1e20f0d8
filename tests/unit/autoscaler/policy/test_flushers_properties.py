"""What holds for every decision on flushers: bounds, no decrease without sight or while likes pile up, monotone."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.policy.decision import State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(flusher_capacity=1_000, min_flushers=2, max_flushers=9)
PENDING, AGES_S, SETTLED = st.floats(0, 1e6), st.floats(0, 30), st.floats(0, 20_000)
HISTORIES = st.lists(st.tuples(st.floats(0.2, 20), PENDING, AGES_S, SETTLED), max_size=30)
IMPOSSIBLE = st.sampled_from([math.inf, -math.inf, math.nan, -1.0])


def lived(history: list[tuple[float, float, float, float]]) -> tuple[State, float, int]:
    """A state as a past leaves it, its time, and what was last asked for."""
    state, now, count = State(started_at=-1_000.0), 0.0, 3
    for passed, pending, age_s, settled in history:
        now += passed
        decision = decide_flushers(state, FlusherObservation(count, count, now, pending, age_s, settled), now, TUNING)
        state, count = decision.state, decision.replicas
    return state, now, count


@given(HISTORIES, PENDING, AGES_S, SETTLED)
@settings(max_examples=200, deadline=None)
def test_never_out_of_bounds_and_more_to_do_never_asks_for_fewer(history, pending, age_s, settled):
    state, now, count = lived(history)
    seen = FlusherObservation(count, count, now + 1, pending, age_s, settled)
    asked = decide_flushers(state, seen, now + 1, TUNING).replicas
    more = replace(seen, pending=2 * pending, age_s=2 * age_s, stored_per_s=2 * settled)
    assert 2 <= asked <= decide_flushers(state, more, now + 1, TUNING).replicas <= 9


@given(HISTORIES, st.integers(1, 20), st.none() | st.floats(-1e6, 994.9) | st.floats(1_001.1, 1e6), IMPOSSIBLE)
@settings(max_examples=200, deadline=None)
def test_never_a_decrease_without_sight(history, count, at, impossible):
    state, now, _ = lived(history)
    told = None if at is None else now + 1 + at - 1_000
    for seen in (
        FlusherObservation(count, count, told, 5, 0.1, 10),
        FlusherObservation(count, count, now + 1, impossible, 0.1, 10),
    ):
        assert decide_flushers(state, seen, now + 1, TUNING).replicas >= count
