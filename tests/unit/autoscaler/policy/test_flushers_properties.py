"""Properties of every decision on flushers: bounds, no scale-down without data, and monotony."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.policy.decision import State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(flusher_capacity=1_000, min_flushers=2, max_flushers=9)
PENDING, AGES_S, STORED = st.floats(0, 1e6), st.floats(0, 30), st.floats(0, 20_000)
HISTORIES = st.lists(st.tuples(st.floats(0.2, 20), PENDING, AGES_S, STORED), max_size=30)
INVALID = st.sampled_from([math.inf, -math.inf, math.nan, -1.0])


def replay(history: list[tuple[float, float, float, float]]) -> tuple[State, float, int]:
    """Return the state after a history, its time, and the last decided number."""
    state, now, count = State(started_at=-1_000.0), 0.0, 3
    for passed, pending, age_s, stored in history:
        now += passed
        decision = decide_flushers(state, FlusherObservation(count, count, now, pending, age_s, stored), now, TUNING)
        state, count = decision.state, decision.replicas
    return state, now, count


@given(HISTORIES, PENDING, AGES_S, STORED)
@settings(max_examples=200, deadline=None)
def test_bounds_are_kept_and_more_work_never_results_in_fewer_flushers(history, pending, age_s, stored):
    state, now, count = replay(history)
    observation = FlusherObservation(count, count, now + 1, pending, age_s, stored)
    replicas = decide_flushers(state, observation, now + 1, TUNING).replicas
    more = replace(observation, pending=2 * pending, age_s=2 * age_s, stored_per_s=2 * stored)
    assert 2 <= replicas <= decide_flushers(state, more, now + 1, TUNING).replicas <= 9


@given(HISTORIES, st.integers(1, 20), st.none() | st.floats(-1e6, 994.9) | st.floats(1_001.1, 1e6), INVALID)
@settings(max_examples=200, deadline=None)
def test_there_is_no_scale_down_without_data(history, count, at, invalid):
    state, now, _ = replay(history)
    reported_at = None if at is None else now + 1 + at - 1_000
    for observation in (
        FlusherObservation(count, count, reported_at, 5, 0.1, 10),
        FlusherObservation(count, count, now + 1, invalid, 0.1, 10),
    ):
        assert decide_flushers(state, observation, now + 1, TUNING).replicas >= count
