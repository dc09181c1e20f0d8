"""Signals that begin, one process after the other: what becomes more is who tells, not what is to be done."""

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from tests.support.observations import RUNNING

TUNING = Tuning(pod_capacity=30, min_replicas=100, max_replicas=600)
THERE = 100  # pods, which share 1,900 requests/s, nine of ten for one post
EACH = 19.0


def told(heard: int, now: float, *, expected: int, each: float = EACH) -> Observation:
    pods = tuple(PodSample(f"p{i}", now, each, each, each / 30, 0, 1, ready_s=600) for i in range(heard))
    return Observation(THERE, expected, pods, posts=(PostRate("viral", 0.9 * each * heard),) if heard else ())


def most_asked(state: State, heard: list[int], *, expected: int) -> int:
    replicas = []
    for now, count in enumerate(heard, 1):
        decision = decide(state, told(count, float(now), expected=expected), float(now), TUNING)
        state = decision.state
        replicas.append(decision.replicas)
    return max(replicas)


@pytest.mark.parametrize("first", [[5, 60], [1, 30, 90], [10], [40, 41, 99]])
def test_pods_that_begin_to_tell_are_no_rise_while_nobody_was_expected(first):
    assert most_asked(RUNNING, [*first, *[THERE] * 40], expected=0) == THERE


def test_nor_after_a_time_without_sight():
    before = [THERE] * 40
    assert most_asked(RUNNING, [*before, *[0] * 10, 5, 60, *[THERE] * 40], expected=0) == THERE


def test_pods_that_were_expected_and_tell_again_are_no_rise():
    heard = [*[THERE] * 40, 10, 30, 70, *[THERE] * 40]  # a Redis that came back empty
    assert most_asked(RUNNING, heard, expected=THERE) == THERE


def test_a_post_that_goes_on_rising_is_seen_once_all_have_begun():
    state, seen_at = RUNNING, 0
    for now in range(1, 30):
        each = EACH * (1.0 if now < 5 else min(8.0, 2 ** ((now - 5) / 4)))
        decision = decide(state, told(THERE, float(now), expected=0, each=each), float(now), TUNING)
        state = decision.state
        seen_at = seen_at or (now if decision.demand.viral > 0 else 0)
    assert 5 < seen_at <= 16  # two doublings take it eight seconds


def test_the_first_look_raises_to_what_is_heard():
    assert decide(RUNNING, told(THERE, 1.0, expected=0, each=24), 1.0, TUNING).replicas == 122
