"""Flushers by tables, under a fake clock."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(flusher_capacity=1_000, min_flushers=1, max_flushers=8)
RUNNING = State(started_at=-10_000.0)


def seen(
    count: int, at: float | None, pending: float = 100, age_s: float = 0.3, settled: float = 400
) -> FlusherObservation:
    return FlusherObservation(count, count, at, pending, age_s, settled)


def test_flushers_are_for_what_is_settled_and_what_waits():
    decision = decide_flushers(RUNNING, seen(1, 1.0, pending=5_000, settled=800), 1.0, TUNING)
    assert (decision.replicas, decision.limit) == (2, "demand")  # (800 + 5,000 / 10) / 660 = 1.97


def test_a_growing_stream_is_what_flushers_do_not_keep_up_with():
    state = RUNNING
    for second in range(10):
        decision = decide_flushers(state, seen(1, second, pending=1_000 * second, settled=600), float(second), TUNING)
        state = decision.state
    assert decision.demand.arrivals == 1_600
    assert decision.replicas == 4  # (1,600 + 900) / 660 = 3.8


def test_likes_that_grow_old_double_the_flushers_up_to_the_most():
    old = seen(3, 1.0, age_s=2.5)
    assert decide_flushers(RUNNING, old, 1.0, TUNING).replicas == 7  # 2 * 3 * 710 / 660 = 6.5
    assert decide_flushers(RUNNING, replace(old, replicas=6, ready=6), 1.0, TUNING).limit == "max_flushers"


@pytest.mark.parametrize(
    ("observation", "why"),
    [
        (seen(4, None), "no flusher has reported"),
        (seen(4, 90.0), "the newest report is 10 s old, the limit is 5 s"),
        (seen(4, 110.0), "the newest report is 10 s in the future"),
        (seen(4, 100.0, pending=-1), "every report is invalid"),
        (seen(4, 100.0, age_s=float("nan")), "every report is invalid"),
    ],
)
def test_without_sight_what_is_there_stays(observation, why):
    decision = decide_flushers(RUNNING, observation, 100.0, TUNING)
    assert (decision.replicas, decision.reason) == (4, f"no data: {why}")


def test_they_are_released_late_and_not_soon_after_a_start():
    def after(state: State) -> int:
        count = 4
        for second in range(60):
            decision = decide_flushers(state, seen(count, second), float(second), TUNING)
            state, count = decision.state, decision.replicas
        return count

    assert after(RUNNING) == 1
    assert after(State()) == 4


def test_what_a_flusher_settles_is_learned_while_it_is_behind():
    state = RUNNING
    for second in range(60):
        observed = seen(2, second, age_s=5, settled=1_000)
        state = decide_flushers(state, observed, float(second), TUNING).state
    assert state.capacity == pytest.approx(500, rel=0.01)
