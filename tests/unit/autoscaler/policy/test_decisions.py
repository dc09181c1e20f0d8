"""All fields of single decisions on API pods."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.observation import Observation, Prewarm
from autoscaler.policy.policy import decide
from autoscaler.policy.scale_down import RecommendationWindow
from tests.support.autoscaler.observations import RUNNING, TUNING, decide_each_second, observe

NO_DATA = Observation(replicas=10, expected=10, pods=(), prewarm=Prewarm(4, until=101.0))


@pytest.mark.parametrize(("learned", "capacity"), [(0.0, 100), (70.0, 70)])
def test_a_decision_without_data_keeps_the_number_and_the_capacity(learned, capacity):
    decision = decide(State(capacity=learned, data_since=5.0), NO_DATA, 100.0, TUNING)
    assert decision == Decision(
        10, 10, "no data: no pod has reported", "no_data", {"prewarm": 4}, Demand(), capacity,
        State(capacity=learned, started_at=100.0),
    )  # fmt: skip


def test_a_decision_without_data_records_a_change():
    decision = decide(State(), replace(NO_DATA, replicas=1, prewarm=None), 100.0, TUNING)
    assert decision == Decision(
        2, 1, "no data: no pod has reported", "min_replicas", {"prewarm": 0}, Demand(), 100,
        State(started_at=100.0, changed_at=100.0),
    )  # fmt: skip


def test_the_time_of_the_start_is_that_of_the_first_decision():
    assert decide(State(started_at=0.0), NO_DATA, 100.0, TUNING).state.started_at == 0
    assert decide(State(started_at=0.0), observe(10, 500, 100.0), 100.0, TUNING).state.started_at == 0
    assert decide(State(), observe(10, 500, 100.0), 100.0, TUNING).state.started_at == 100


def test_pods_that_serve_exactly_the_demand_are_enough():
    decision = decide(RUNNING, observe(10, 660, 1.0), 1.0, TUNING)
    assert decision.candidates == {"demand": 10, "scale_up": 10, "prewarm": 0}
    assert (decision.replicas, decision.current, decision.capacity) == (10, 10, 100)
    assert decision.state.recommendations == RecommendationWindow(((1.0, 10),))
    assert decision.state.changed_at is None


def test_a_decision_uses_the_learned_capacity():
    decision = decide(replace(RUNNING, capacity=50.0), observe(10, 660, 1.0), 1.0, TUNING)
    assert decision.candidates == {"demand": 20, "scale_up": 19, "prewarm": 0}
    assert (decision.replicas, decision.capacity, decision.state.changed_at) == (20, 50, 1.0)


def test_prewarmed_pods_count_as_needed():
    observation = observe(60, 500, 1.0, prewarm=Prewarm(50, until=10.0))
    decision = decide(RUNNING, observation, 1.0, TUNING)
    # After the first decision with data, all 60 existing pods count as needed.
    assert decision.state.recommendations == RecommendationWindow(((1.0, 60), (1.0, 50)))


@pytest.mark.parametrize(
    ("started_at", "pending", "replicas", "reason"),
    [
        pytest.param(0.0, 100, 6, "2 pods were needed in the last 30 s", id="300-s-after-the-start"),
        pytest.param(1.0, 100, 10, "no scale-down: this autoscaler started 299 s ago", id="sooner"),
        pytest.param(0.0, 1_000, 10, "no scale-down: the number of pending likes grows", id="pending-likes-grow"),
    ],
)
def test_a_scale_down_names_its_reason(started_at, pending, replicas, reason):
    state = State(
        started_at=started_at, assessed_at=299.0, pending_history=((295.0, 100.0),),
        recommendations=RecommendationWindow(((290.0, 1),)),
    )  # fmt: skip
    decision = decide(state, observe(10, 100, 300.0, pending=pending), 300.0, TUNING)
    assert (decision.replicas, decision.reason) == (replicas, reason)


def test_a_decision_holds_the_demand_that_it_was_made_for():
    decision, _ = decide_each_second([800.0] * 40)
    assert decision.demand == Demand(arrivals=pytest.approx(800), horizon_s=pytest.approx(6 + (800 / 66 - 10) / 20))
