"""The decision by tables, under a fake clock."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate, Prewarm
from autoscaler.policy.policy import decide
from tests.support.observations import RUNNING, TUNING, after, pods, seen

CALM = [500.0] * 40  # half of what ten pods serve


def test_pods_are_for_the_target_utilisation():
    decision, _ = after([800.0] * 40)
    assert (decision.replicas, decision.limit) == (13, "demand")  # 800 / (100 * 0.66) = 12.1
    assert decision.candidates["scale_up"] == 12  # 800 / (100 * 0.71) = 11.3: more than the ten there are


def test_between_target_and_raise_nothing_changes():
    decision, _ = after([690.0] * 40)
    assert (decision.replicas, decision.limit) == (10, "none")
    assert decision.candidates == {"demand": 11, "scale_up": 10, "prewarm": 0}


def test_a_step_is_met_at_the_next_look_and_not_taken_for_a_rise_that_goes_on():
    decision, _ = after([*CALM, 2_000.0])
    assert decision.replicas >= 28  # 2,000 less what may be chance
    decision, _ = after([*CALM, *[2_000.0] * 8])
    assert decision.demand.growth == 0
    assert decision.replicas == 31


def test_a_ramp_is_met_ahead_by_its_slope_and_the_lead_time():
    decision, _ = after([*CALM, *(500.0 + 50.0 * second for second in range(1, 11))])
    assert decision.demand.growth > 0.5 * 50 * decision.demand.horizon_s
    assert decision.replicas > 1_000 / 66


def test_a_post_that_doubles_and_doubles_again_raises_before_the_total_does():
    rates = [20 * 2 ** (second / 5) for second in range(15)]  # 20 to 139 likes/s of 600
    posts = [[PostRate("a", 20.0)]] * 40 + [[PostRate("a", rate)] for rate in rates]
    quiet, _ = after([600.0] * 55)
    decision, _ = after([600.0] * 55, posts=posts)
    assert quiet.demand.viral == 0
    assert decision.demand.viral > 100
    assert decision.replicas > quiet.replicas == 10


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ((), "no pod has reported"),
        (pods(10, 100, now=90.0), "the newest report is 10 s old, the limit is 5 s"),
        (pods(10, 100, now=109.0), "the newest report is 9 s in the future"),
        (pods(10, float("nan"), now=100.0), "every report is invalid"),
        (pods(10, -1.0, now=100.0), "every report is invalid"),
    ],
)
def test_without_sight_what_is_there_stays(made, why):
    decision = decide(RUNNING, Observation(replicas=50, expected=10, pods=made), 100.0, TUNING)
    assert (decision.replicas, decision.limit, decision.reason) == (50, "no_data", f"no data: {why}")


def test_without_sight_the_minimum_and_a_persons_wish_still_count():
    blind = Observation(replicas=1, expected=1, pods=())
    assert decide(RUNNING, blind, 0.0, TUNING).replicas == 2
    assert decide(RUNNING, replace(blind, prewarm=Prewarm(40, until=10.0)), 9.0, TUNING).replicas == 40
    assert decide(RUNNING, replace(blind, prewarm=Prewarm(4_000, until=10.0)), 9.0, TUNING).replicas == 100


def released_after(state: State, **more: object) -> tuple[int, str]:
    """What ten idle pods become within two minutes, and the last word on it."""
    for second in range(1, 121):
        decision = decide(state, seen(10, 100, float(second), **more), float(second), TUNING)
        state = decision.state
        if decision.replicas < 10:
            return decision.replicas, decision.limit
    return decision.replicas, decision.reason


def test_pods_are_released_late_and_a_third_at_a_time():
    assert released_after(RUNNING) == (6, "max_scale_down_share")
    decision, _ = after([100.0] * 29)
    assert decision.replicas == 10


def test_releases_go_on_after_ten_seconds_down_to_the_minimum():
    state, count, changes = RUNNING, 40, []
    for second in range(1, 200):
        decision = decide(state, seen(count, 10, float(second)), float(second), TUNING)
        if decision.replicas != count:
            changes.append((second, decision.replicas))
        state, count = decision.state, decision.replicas
    assert changes == [(31, 26), (41, 16), (51, 10), (61, 6), (71, 3), (81, 2)]


@pytest.mark.parametrize(
    ("state", "more", "why"),
    [
        (State(), {}, "no scale-down: this autoscaler started 119 s ago"),
        (RUNNING, {"expected": 12}, "no scale-down: 2 of 12 pods are silent"),
    ],
)
def test_nothing_is_released(state, more, why):
    assert released_after(state, **more) == (10, why)


def test_nothing_is_released_while_the_stream_grows():
    state = RUNNING
    for second in range(1, 121):
        decision = decide(state, seen(10, 100, float(second), pending=100.0 * second), float(second), TUNING)
        state = decision.state
    assert (decision.replicas, decision.limit) == (10, "blocked")
    assert decision.reason == "no scale-down: the number of pending likes grows"


def test_after_a_time_without_sight_holding_starts_anew():
    state = after([100.0] * 29)[0].state
    decision = decide(state, seen(10, 100, 80.0), 80.0, TUNING)
    assert (decision.replicas, decision.state.recommendations.maximum) == (10, 10)


@pytest.mark.parametrize(
    ("changes", "replicas", "limit"),
    [
        ({}, 40, "max_scale_up_factor"),  # four times the ten there are, though 88 are needed
        ({"max_scale_up_factor": 50}, 88, "demand"),
        ({"max_replicas": 30}, 30, "max_replicas"),
        ({"postgres_slots": 80, "postgres_per_pod": 4}, 20, "postgres_slots"),
        ({"redis_clients": 60, "redis_per_pod": 4}, 15, "redis_clients"),
    ],
)
def test_what_bounds_a_raise_is_named(changes, replicas, limit):
    tuning = TUNING.model_copy(update=changes)
    decision = decide(RUNNING, seen(10, 5_000, 1.0), 1.0, tuning)
    assert (decision.replicas, decision.limit) == (replicas, limit)


def test_more_than_the_maximum_comes_down_to_it():
    tuning = TUNING.model_copy(update={"max_replicas": 8})
    assert after([700.0] * 40, tuning=tuning)[0].replicas == 8


def test_with_an_hpa_the_floor_is_what_changes():
    decision = decide(RUNNING, seen(60, 2_000, 1.0, min_replicas=10), 1.0, TUNING)
    assert (decision.current, decision.replicas) == (10, 31)


def test_a_person_prewarms_until_a_time():
    wish = Prewarm(50, until=10.0)
    decision = decide(RUNNING, seen(10, 100, 9.0, prewarm=wish), 9.0, TUNING)
    assert (decision.replicas, decision.candidates["prewarm"]) == (40, 50)  # in two steps of four times at most
    assert decide(RUNNING, seen(10, 100, 10.0, prewarm=wish), 10.0, TUNING).replicas == 10


def test_silent_pods_are_taken_to_have_as_much_to_do():
    half = seen(10, 400, 1.0, expected=20)
    assert decide(RUNNING, replace(half, replicas=20), 1.0, TUNING).demand.arrivals == 800


def test_capacity_is_learned_from_warm_and_busy_pods_alone():
    def learned(ready_s: float, busy: float) -> float:
        state = RUNNING
        for second in range(1, 181):
            sample = PodSample("a", float(second), 40, 40, busy, 0, 4, ready_s)
            state = decide(state, Observation(1, 1, (sample,)), float(second), TUNING).state
        return state.capacity

    assert learned(600, busy=0.8) == pytest.approx(50, rel=0.06)  # 40 requests/s in 0.8 of the time
    assert learned(10, busy=0.8) == learned(600, busy=0.2) == 100


def test_the_lead_time_is_the_measured_one():
    state = RUNNING
    for second in range(1, 20):
        state = decide(state, seen(10, 500, float(second), pod_startup_s=25.0), float(second), TUNING).state
    assert state.pod_startup_s == pytest.approx(25, rel=0.01)
