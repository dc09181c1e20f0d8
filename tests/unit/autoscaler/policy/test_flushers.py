"""Decisions on flushers, as tables with a fake clock."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.flushers import decide_flushers
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.observation import FlusherObservation
from autoscaler.policy.scale_down import RecommendationWindow
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


@pytest.mark.parametrize("at", [95.0, 101.0])
def test_the_oldest_and_the_newest_report_that_are_trusted(at):
    assert decide_flushers(RUNNING, observe(1, at), 100.0, TUNING).limit != "no_data"


def test_no_likes_at_all_are_valid_data():
    nothing = observe(1, 1.0, pending=0, age_s=0, stored_per_s=0)
    assert decide_flushers(RUNNING, nothing, 1.0, TUNING).limit == "none"


@pytest.mark.parametrize(("learned", "capacity"), [(0.0, 1_000), (700.0, 700)])
def test_a_decision_without_data_keeps_the_capacity_and_records_the_start(learned, capacity):
    decision = decide_flushers(State(capacity=learned), observe(0, None), 100.0, TUNING)
    assert decision == Decision(
        1, 0, "no data: no flusher has reported", "min_replicas", {}, Demand(), capacity,
        State(capacity=learned, started_at=100.0, changed_at=100.0),
    )  # fmt: skip


def test_a_decision_explains_its_numbers():
    decision = decide_flushers(RUNNING, observe(1, 1.0, pending=0, stored_per_s=1_320), 1.0, TUNING)
    # 1,320 / 660 and 1,320 / 710
    assert decision.candidates == {"demand": 2, "scale_up": 2}
    assert (decision.replicas, decision.capacity, decision.state.changed_at) == (2, 1_000, 1.0)
    assert decision.demand == Demand(arrivals=1_320)


@pytest.mark.parametrize(("age_s", "censored"), [(1.99, 0), (2, 2 * 3 * 710)])
def test_flushers_are_late_from_the_maximum_age(age_s, censored):
    assert decide_flushers(RUNNING, observe(3, 1.0, age_s=age_s), 1.0, TUNING).demand.censored == censored


@pytest.mark.parametrize(
    ("history", "pending", "growth"),
    [
        pytest.param([(997.0, 50.0)], 350, 100, id="grows"),
        pytest.param([(999.5, 50.0)], 350, 600, id="half-a-second"),
        pytest.param([(997.0, 350.0)], 50, 0, id="falls"),
        pytest.param([(990.0, 50.0), (995.0, 900.0)], 1_050, 100, id="the-last-ten-seconds"),
        pytest.param([(989.0, 0.0), (995.0, 50.0)], 1_050, 200, id="older-ones-do-not-count"),
        pytest.param([(1_000.0, 50.0)], 350, 0, id="the-same-moment"),
    ],
)
def test_the_growth_of_the_pending_likes_is_measured_over_ten_seconds(history, pending, growth):
    state = replace(RUNNING, pending_history=tuple(history))
    decision = decide_flushers(state, observe(1, 1_000.0, pending=pending, stored_per_s=400), 1_000.0, TUNING)
    assert decision.demand.arrivals == 400 + growth
    assert decision.state.pending_history[-1] == (1_000.0, pending)


@pytest.mark.parametrize(
    ("ready", "stored_per_s", "age_s", "capacity"),
    [
        pytest.param(1, 500, 2, 950, id="late"),
        pytest.param(1, 500, 1.9, 1_000, id="not-late"),
        pytest.param(0, 500, 2, 1_000, id="none-runs"),
        pytest.param(1, 0, 2, 1_000, id="nothing-stored"),
        pytest.param(1, 1, 2, 900.1, id="almost-nothing-stored"),
    ],
)
def test_a_tenth_of_a_measurement_is_learned(ready, stored_per_s, age_s, capacity):
    observation = replace(observe(1, 1.0, age_s=age_s, stored_per_s=stored_per_s), ready=ready)
    assert decide_flushers(RUNNING, observation, 1.0, TUNING).state.capacity == pytest.approx(capacity)


@pytest.mark.parametrize(
    ("started_at", "pending_before", "replicas", "reason"),
    [
        pytest.param(0.0, 100, 2, "1 pods were needed in the last 30 s", id="300-s-after-the-start"),
        pytest.param(1.0, 100, 4, "no scale-down: this autoscaler started 299 s ago", id="sooner"),
        pytest.param(0.0, 90, 4, "no scale-down: the number of pending likes grows", id="pending-likes-grow"),
        pytest.param(0.0, 0, 4, "no scale-down: the number of pending likes grows", id="pending-likes-begin"),
    ],
)
def test_a_scale_down_of_flushers_names_its_reason(started_at, pending_before, replicas, reason):
    window = RecommendationWindow(((290.0, 1),))
    state = State(
        started_at=started_at, assessed_at=299.0, pending_history=((295.0, pending_before),), recommendations=window
    )
    decision = decide_flushers(state, observe(4, 300.0, pending=100), 300.0, TUNING)
    assert (decision.replicas, decision.reason) == (replicas, reason)


def test_pending_likes_that_grow_by_a_tenth_do_not_block_a_scale_down():
    window = RecommendationWindow(((9.0, 1),))
    state = replace(RUNNING, assessed_at=9.0, pending_history=((9.0, 100.0),), recommendations=window)
    assert decide_flushers(state, observe(4, 10.0, pending=1.1 * 100.0), 10.0, TUNING).replicas == 2
