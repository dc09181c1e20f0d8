"""Decisions on flushers, as tables with a fake clock."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(flusher_capacity=1_000, min_flushers=1, max_flushers=8)
RUNNING = State(started_at=-10_000.0)


def observe(
    count: int, at: float | None, pending: float = 100, age_s: float = 0.3, stored_per_s: float = 400
) -> FlusherObservation:
    return FlusherObservation(count, count, at, pending, age_s, stored_per_s)


def test_the_demand_on_flushers_is_the_stored_and_the_pending_likes():
    decision = decide_flushers(RUNNING, observe(1, 1.0, pending=5_000, stored_per_s=800), 1.0, TUNING)
    # (800 + 5,000 / 10) / 660 = 1.97
    assert (decision.replicas, decision.limit) == (2, "demand")


def test_growth_of_the_pending_likes_adds_to_the_demand():
    state = RUNNING
    for second in range(10):
        observation = observe(1, second, pending=1_000 * second, stored_per_s=600)
        decision = decide_flushers(state, observation, float(second), TUNING)
        state = decision.state
    assert decision.demand.arrivals == 1_600
    # (1,600 + 900) / 660 = 3.8
    assert decision.replicas == 4


def test_old_likes_double_the_flushers_up_to_the_maximum():
    late = observe(3, 1.0, age_s=2.5)
    # 2 * 3 * 710 / 660 = 6.5
    assert decide_flushers(RUNNING, late, 1.0, TUNING).replicas == 7
    assert decide_flushers(RUNNING, replace(late, replicas=6, ready=6), 1.0, TUNING).limit == "max_flushers"


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (observe(4, None), "no flusher has reported"),
        (observe(4, 90.0), "the newest report is 10 s old, the limit is 5 s"),
        (observe(4, 110.0), "the newest report is 10 s in the future"),
        (observe(4, 100.0, pending=-1), "every report is invalid"),
        (observe(4, 100.0, age_s=float("nan")), "every report is invalid"),
    ],
)
def test_the_number_is_kept_without_data(observation, reason):
    decision = decide_flushers(RUNNING, observation, 100.0, TUNING)
    assert (decision.replicas, decision.reason) == (4, f"no data: {reason}")


def test_scale_down_is_late_and_blocked_soon_after_a_start():
    def replicas_after(state: State) -> int:
        count = 4
        for second in range(60):
            decision = decide_flushers(state, observe(count, second), float(second), TUNING)
            state, count = decision.state, decision.replicas
        return count

    assert replicas_after(RUNNING) == 1
    assert replicas_after(State()) == 4


def test_the_capacity_of_a_flusher_is_learned_while_it_is_late():
    state = RUNNING
    for second in range(60):
        observation = observe(2, second, age_s=5, stored_per_s=1_000)
        state = decide_flushers(state, observation, float(second), TUNING).state
    assert state.capacity == pytest.approx(500, rel=0.01)
