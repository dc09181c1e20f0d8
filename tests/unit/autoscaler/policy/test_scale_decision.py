"""The number of pods to ask for, and the limit that it names: up at once, down late, within bounds."""

import pytest

from autoscaler.policy.bounds import Bounds
from autoscaler.policy.decision import State
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.scale_decision import DesiredReplicas, build_decision, clamp, hold
from autoscaler.policy.scale_down import RecommendationWindow
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(max_scale_up_factor=4, max_scale_down_share=0.35, scale_down_period_s=10, stabilization_s=30)
BOUNDS = Bounds(2, 100, "max_replicas")
NOW = 1_000.0


def state_of(needed: int, changed_at: float | None = None) -> State:
    """Return a state in whose window at most `needed` pods were needed."""
    return State(changed_at=changed_at, recommendations=RecommendationWindow(((NOW, needed),)))


@pytest.mark.parametrize(
    ("current", "at_least", "expected"),
    [(5, 2, (5, "no_data")), (5, 5, (5, "no_data")), (5, 8, (8, "min_replicas"))],
)
def test_without_data_only_the_minimum_changes_the_number(current, at_least, expected):
    assert hold(current, at_least, "Redis is down") == DesiredReplicas(*expected, "no data: Redis is down")


@pytest.mark.parametrize(
    ("current", "candidates", "expected"),
    [
        pytest.param(10, {"demand": 12, "scale_up": 11}, (12, "demand", "12 pods are needed"), id="demand"),
        pytest.param(
            10, {"demand": 12, "scale_up": 11, "prewarm": 30}, (30, "demand", "30 pods are needed"), id="prewarm"
        ),
        pytest.param(
            10, {"demand": 5, "scale_up": 4, "prewarm": 11}, (11, "demand", "11 pods are needed"), id="only-prewarm"
        ),
        pytest.param(10, {"demand": 88, "scale_up": 82}, (40, "max_scale_up_factor", "88 pods are needed"), id="step"),
        pytest.param(0, {"demand": 9, "scale_up": 8}, (4, "max_scale_up_factor", "9 pods are needed"), id="from-zero"),
        # The step is checked before the maximum.
        pytest.param(
            25,
            {"demand": 120, "scale_up": 112},
            (100, "max_scale_up_factor", "120 pods are needed"),
            id="step-and-maximum",
        ),
        pytest.param(90, {"demand": 120, "scale_up": 112}, (100, "max_replicas", "120 pods are needed"), id="maximum"),
        pytest.param(
            100,
            {"demand": 120, "scale_up": 112},
            (100, "max_replicas", "120 pods are needed, max_replicas allows 100"),
            id="at-the-maximum",
        ),
        pytest.param(
            110,
            {"demand": 120, "scale_up": 112},
            (110, "max_replicas", "120 pods are needed, max_replicas allows 100"),
            id="above-the-maximum",
        ),
        pytest.param(
            1, {"demand": 1, "scale_up": 1}, (2, "min_replicas", "the minimum is 2 pods"), id="below-the-minimum"
        ),
        pytest.param(1, {"demand": 2, "scale_up": 1}, (2, "demand", "2 pods are needed"), id="demand-is-the-minimum"),
    ],
)
def test_a_scale_up_follows_the_demand_within_the_limits(current, candidates, expected):
    desired = clamp(state_of(candidates["demand"]), current, candidates, "", BOUNDS, NOW, TUNING)
    assert desired == DesiredReplicas(*expected)


def test_the_minimum_is_named_where_nothing_is_needed():
    desired = clamp(state_of(0), 0, {"demand": 0, "scale_up": 0}, "", Bounds(1, 100, "max_replicas"), NOW, TUNING)
    assert desired == DesiredReplicas(1, "min_replicas", "the minimum is 1 pods")


def test_the_step_of_a_scale_up_is_rounded_up():
    tuning = TUNING.model_copy(update={"max_scale_up_factor": 1.5})
    assert clamp(state_of(9), 3, {"demand": 9, "scale_up": 9}, "", BOUNDS, NOW, tuning).replicas == 5


ENOUGH = "enough pods, and no lasting surplus"


@pytest.mark.parametrize(
    ("current", "state", "expected"),
    [
        pytest.param(10, state_of(10), (10, "none", ENOUGH), id="all-needed"),
        pytest.param(10, state_of(9), (10, "none", ENOUGH), id="a-tenth-is-no-surplus"),
        pytest.param(10, state_of(8), (8, "demand", "8 pods were needed in the last 30 s"), id="surplus"),
        pytest.param(
            40, state_of(1), (26, "max_scale_down_share", "1 pods were needed in the last 30 s"), id="largest-step"
        ),
        pytest.param(3, state_of(1), (2, "demand", "1 pods were needed in the last 30 s"), id="minimum-is-left"),
        pytest.param(10, state_of(1, NOW - 9), (10, "none", ENOUGH), id="recent-change"),
        pytest.param(10, state_of(8, NOW - 10), (8, "demand", "8 pods were needed in the last 30 s"), id="late-enough"),
        pytest.param(
            110, state_of(110), (100, "demand", "110 pods were needed in the last 30 s"), id="above-the-maximum"
        ),
    ],
)
def test_a_scale_down_leaves_what_was_needed(current, state, expected):
    candidates = {"demand": 1, "scale_up": 1}
    assert clamp(state, current, candidates, "", BOUNDS, NOW, TUNING) == DesiredReplicas(*expected)


def test_pods_are_added_only_above_the_scale_up_threshold():
    desired = clamp(state_of(11), 10, {"demand": 11, "scale_up": 10}, "", BOUNDS, NOW, TUNING)
    assert (desired.replicas, desired.limit) == (10, "none")


def test_a_blocked_scale_down_names_the_reason():
    desired = clamp(state_of(1), 10, {"demand": 1, "scale_up": 1}, "3 pods are silent", BOUNDS, NOW, TUNING)
    assert desired == DesiredReplicas(10, "blocked", "no scale-down: 3 pods are silent")


@pytest.mark.parametrize(("replicas", "changed_at"), [(11, NOW), (9, NOW), (10, 7.0)])
def test_a_decision_records_the_time_of_a_change(replicas, changed_at):
    desired = DesiredReplicas(replicas, "demand", "a reason")
    demand, candidates = Demand(arrivals=5), {"demand": replicas}
    decision = build_decision(desired, State(changed_at=7.0), 10, NOW, candidates, demand, 100.0)
    assert decision.state == State(changed_at=changed_at)
    assert (decision.replicas, decision.current, decision.limit, decision.reason) == (
        replicas, 10, "demand", "a reason"
    )  # fmt: skip
    assert (decision.candidates, decision.demand, decision.capacity) == (candidates, demand, 100.0)
