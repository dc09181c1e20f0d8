"""Decisions on API pods, as tables with a fake clock."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate, Prewarm
from autoscaler.policy.policy import decide
from tests.support.autoscaler.observations import CALM, RUNNING, TUNING, decide_each_second, observe, pod_samples


def test_pods_are_chosen_for_the_target_utilization():
    decision, _ = decide_each_second([800.0] * 40)
    # 800 / (100 * 0.66) = 12.1
    assert (decision.replicas, decision.limit) == (13, "demand")
    # 800 / (100 * 0.71) = 11.3, more than the ten existing pods.
    assert decision.candidates["scale_up"] == 12


def test_nothing_changes_between_the_target_and_the_scale_up_threshold():
    decision, _ = decide_each_second([690.0] * 40)
    assert (decision.replicas, decision.limit) == (10, "none")
    assert decision.candidates == {"demand": 11, "scale_up": 10, "prewarm": 0}


def test_a_step_is_met_by_the_next_decision_and_has_no_growth():
    decision, _ = decide_each_second([*CALM, 2_000.0])
    # 2,000 minus the noise.
    assert decision.replicas >= 28
    decision, _ = decide_each_second([*CALM, *[2_000.0] * 8])
    assert decision.demand.growth == 0
    assert decision.replicas == 31


def test_a_ramp_is_met_ahead_by_its_slope_over_the_horizon():
    decision, _ = decide_each_second([*CALM, *(500.0 + 50.0 * second for second in range(1, 11))])
    assert decision.demand.growth > 0.5 * 50 * decision.demand.horizon_s
    assert decision.replicas > 1_000 / 66


def test_a_viral_post_adds_pods_before_the_total_rises():
    # From 20 to 139 likes/s of 600.
    rates = [20 * 2 ** (second / 5) for second in range(15)]
    posts = [[PostRate("a", 20.0)]] * 40 + [[PostRate("a", rate)] for rate in rates]
    without, _ = decide_each_second([600.0] * 55)
    decision, _ = decide_each_second([600.0] * 55, posts=posts)
    assert without.demand.viral == 0
    assert decision.demand.viral > 100
    assert decision.replicas > without.replicas == 10


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ((), "no pod has reported"),
        (pod_samples(10, 100, now=90.0), "the newest report is 10 s old, the limit is 5 s"),
        (pod_samples(10, 100, now=109.0), "the newest report is 9 s in the future"),
        (pod_samples(10, float("nan"), now=100.0), "every report is invalid"),
        (pod_samples(10, -1.0, now=100.0), "every report is invalid"),
    ],
)
def test_the_number_is_kept_without_data(samples, reason):
    decision = decide(RUNNING, Observation(replicas=50, expected=10, pods=samples), 100.0, TUNING)
    assert (decision.replicas, decision.limit, decision.reason) == (50, "no_data", f"no data: {reason}")


def test_the_minimum_and_a_prewarm_request_count_without_data():
    no_data = Observation(replicas=1, expected=1, pods=())
    assert decide(RUNNING, no_data, 0.0, TUNING).replicas == 2
    assert decide(RUNNING, replace(no_data, prewarm=Prewarm(40, until=10.0)), 9.0, TUNING).replicas == 40
    assert decide(RUNNING, replace(no_data, prewarm=Prewarm(4_000, until=10.0)), 9.0, TUNING).replicas == 100


def first_scale_down(state: State, **more: object) -> tuple[int, str]:
    """Return the number after the first scale-down of ten idle pods and its limit.

    If there is none within two minutes, return the number and the last reason.
    """
    for second in range(1, 121):
        decision = decide(state, observe(10, 100, float(second), **more), float(second), TUNING)
        state = decision.state
        if decision.replicas < 10:
            return decision.replicas, decision.limit
    return decision.replicas, decision.reason


def test_a_scale_down_is_late_and_removes_a_third():
    assert first_scale_down(RUNNING) == (6, "max_scale_down_share")
    decision, _ = decide_each_second([100.0] * 29)
    assert decision.replicas == 10


def test_scale_downs_repeat_every_ten_seconds_down_to_the_minimum():
    state, count, changes = RUNNING, 40, []
    for second in range(1, 200):
        decision = decide(state, observe(count, 10, float(second)), float(second), TUNING)
        if decision.replicas != count:
            changes.append((second, decision.replicas))
        state, count = decision.state, decision.replicas
    assert changes == [(31, 26), (41, 16), (51, 10), (61, 6), (71, 3), (81, 2)]


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        (State(), {}, "no scale-down: this autoscaler started 119 s ago"),
        (RUNNING, {"expected": 12}, "no scale-down: 2 of 12 pods are silent"),
    ],
)
def test_a_scale_down_is_blocked(state, more, reason):
    assert first_scale_down(state, **more) == (10, reason)


def test_a_scale_down_is_blocked_while_the_pending_likes_grow():
    state = RUNNING
    for second in range(1, 121):
        decision = decide(state, observe(10, 100, float(second), pending=100.0 * second), float(second), TUNING)
        state = decision.state
    assert (decision.replicas, decision.limit) == (10, "blocked")
    assert decision.reason == "no scale-down: the number of pending likes grows"


def test_the_stabilization_window_starts_again_after_a_gap_without_data():
    state = decide_each_second([100.0] * 29)[0].state
    decision = decide(state, observe(10, 100, 80.0), 80.0, TUNING)
    assert (decision.replicas, decision.state.recommendations.maximum) == (10, 10)


@pytest.mark.parametrize(
    ("changes", "replicas", "limit"),
    [
        # Four times the ten existing pods, though 88 are needed.
        ({}, 40, "max_scale_up_factor"),
        ({"max_scale_up_factor": 50}, 88, "demand"),
        ({"max_replicas": 30}, 30, "max_replicas"),
        ({"postgres_slots": 80, "postgres_per_pod": 4}, 20, "postgres_slots"),
        ({"redis_clients": 60, "redis_per_pod": 4}, 15, "redis_clients"),
    ],
)
def test_a_decision_names_the_limit_of_a_scale_up(changes, replicas, limit):
    tuning = TUNING.model_copy(update=changes)
    decision = decide(RUNNING, observe(10, 5_000, 1.0), 1.0, tuning)
    assert (decision.replicas, decision.limit) == (replicas, limit)


def test_pods_above_the_maximum_are_removed():
    tuning = TUNING.model_copy(update={"max_replicas": 8})
    assert decide_each_second([700.0] * 40, tuning=tuning)[0].replicas == 8


def test_with_an_hpa_the_decision_starts_from_its_minimum():
    decision = decide(RUNNING, observe(60, 2_000, 1.0, min_replicas=10), 1.0, TUNING)
    assert (decision.current, decision.replicas) == (10, 31)


def test_a_prewarm_request_ends_at_its_time():
    prewarm = Prewarm(50, until=10.0)
    decision = decide(RUNNING, observe(10, 100, 9.0, prewarm=prewarm), 9.0, TUNING)
    # The first of two steps, as one step is at most a factor of four.
    assert (decision.replicas, decision.candidates["prewarm"]) == (40, 50)
    assert decide(RUNNING, observe(10, 100, 10.0, prewarm=prewarm), 10.0, TUNING).replicas == 10


def test_silent_pods_are_assumed_to_have_the_mean_load():
    half = observe(10, 400, 1.0, expected=20)
    assert decide(RUNNING, replace(half, replicas=20), 1.0, TUNING).demand.arrivals == 800


def test_the_capacity_is_learned_from_warm_and_busy_pods_only():
    def learned_capacity(ready_s: float, busy: float) -> float:
        state = RUNNING
        for second in range(1, 181):
            sample = PodSample("a", float(second), 40, 40, busy, 0, 4, ready_s)
            state = decide(state, Observation(1, 1, (sample,)), float(second), TUNING).state
        return state.capacity

    # 40 requests/s in 0.8 of the time.
    assert learned_capacity(600, busy=0.8) == pytest.approx(50, rel=0.06)
    assert learned_capacity(10, busy=0.8) == learned_capacity(600, busy=0.2) == 100


def test_the_startup_time_is_learned():
    state = RUNNING
    for second in range(1, 20):
        state = decide(state, observe(10, 500, float(second), pod_startup_s=25.0), float(second), TUNING).state
    assert state.pod_startup_s == pytest.approx(25, rel=0.01)
