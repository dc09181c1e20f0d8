"""Pods that begin to report one after the other: more reports are not a rise in demand."""

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from tests.support.autoscaler.observations import RUNNING

TUNING = Tuning(pod_capacity=30, min_replicas=100, max_replicas=600)
# 100 pods share 1,900 requests/s. Nine of ten requests are for one post.
PODS = 100
EACH = 19.0


def observe(reporting: int, now: float, *, expected: int, each: float = EACH) -> Observation:
    pods = tuple(PodSample(f"p{i}", now, each, each, each / 30, 0, 1, ready_s=600) for i in range(reporting))
    posts = (PostRate("viral", 0.9 * each * reporting),) if reporting else ()
    return Observation(PODS, expected, pods, posts=posts)


def highest_replicas(state: State, reporting: list[int], *, expected: int) -> int:
    replicas = []
    for now, count in enumerate(reporting, 1):
        decision = decide(state, observe(count, float(now), expected=expected), float(now), TUNING)
        state = decision.state
        replicas.append(decision.replicas)
    return max(replicas)


@pytest.mark.parametrize("first", [[5, 60], [1, 30, 90], [10], [40, 41, 99]])
def test_first_reports_are_not_a_rise_if_no_pod_was_expected(first):
    assert highest_replicas(RUNNING, [*first, *[PODS] * 40], expected=0) == PODS


def test_reports_after_a_gap_are_not_a_rise():
    before = [PODS] * 40
    assert highest_replicas(RUNNING, [*before, *[0] * 10, 5, 60, *[PODS] * 40], expected=0) == PODS


def test_reports_of_expected_pods_after_a_gap_are_not_a_rise():
    # A Redis that restarts empty.
    reporting = [*[PODS] * 40, 10, 30, 70, *[PODS] * 40]
    assert highest_replicas(RUNNING, reporting, expected=PODS) == PODS


def test_a_post_that_keeps_rising_is_detected_once_all_pods_report():
    state, detected_at = RUNNING, 0
    for now in range(1, 30):
        each = EACH * (1.0 if now < 5 else min(8.0, 2 ** ((now - 5) / 4)))
        decision = decide(state, observe(PODS, float(now), expected=0, each=each), float(now), TUNING)
        state = decision.state
        detected_at = detected_at or (now if decision.demand.viral > 0 else 0)
    # Two doublings take eight seconds.
    assert 5 < detected_at <= 16


def test_the_first_decision_uses_the_reported_load():
    assert decide(RUNNING, observe(PODS, 1.0, expected=0, each=24), 1.0, TUNING).replicas == 122
