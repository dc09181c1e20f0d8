"""Pods that are full: what they hide, and what they show."""

from dataclasses import replace

from autoscaler.decision import Decision, State
from autoscaler.observation import Observation
from autoscaler.policy import decide
from tests.autoscaler.observed import TUNING, after, pods, seen

CALM = [500.0] * 40  # half of what ten pods serve
FULL = seen(10, 1_000, 0.0, queue=5_000)  # they take in just what they serve


def looks(observation: Observation, seconds: int, state: State, now: float) -> Decision:
    """The decision after so many looks at the same."""
    for second in range(1, seconds + 1):
        at = now + second
        told = tuple(replace(sample, at=at) for sample in observation.pods)
        decision = decide(state, replace(observation, pods=told), at, TUNING)
        state = decision.state
    return decision


def test_full_pods_are_tripled_and_not_again_before_those_are_there():
    decision = looks(FULL, 3, after(CALM)[0].state, 40.0)
    assert decision.demand.hidden == 2_000
    assert decision.replicas == 31  # 2,000 / 66: twice what they serve, at the target utilisation
    waited_for = replace(FULL, replicas=31)
    assert looks(waited_for, 10, decision.state, 43.0).replicas == 31
    there = seen(31, 3_100, 0.0, queue=15_500)
    assert looks(there, 3, decision.state, 43.0).demand.hidden == 6_200


def test_two_looks_are_not_enough_to_be_taken_for_full():
    assert looks(FULL, 2, after(CALM)[0].state, 40.0).demand.hidden == 0


def test_pods_that_take_in_more_than_they_serve_hide_nothing():
    over = seen(10, 1_200, 0.0, queue=5_000)
    assert looks(over, 20, after(CALM)[0].state, 40.0).demand.hidden == 0


def test_while_pods_are_saturated_arrivals_do_not_fall():
    state = after([*CALM, 3_000.0])[0].state
    decision = decide(state, seen(10, 1_000, 42.0, queue=100), 42.0, TUNING)
    assert decision.demand.arrivals > 2_900


def test_what_full_pods_take_in_as_they_become_more_is_no_rise():
    decision, now = after(CALM)
    state = decision.state
    for count in range(10, 40, 3):
        now += 1
        told = pods(count, count * 105.0, now, queue=count * 500.0)
        state = decide(state, seen(count, 0, now, pods=told), now, TUNING).state
    assert state.full
    assert state.slope == 0
