"""The queue: spare capacity works it off first, and more pods are added only for the rest."""

import pytest

from autoscaler.policy.forecast.demand import backlog_rate, future_queue
from autoscaler.policy.policy import decide
from tests.support.autoscaler.observations import CALM, TUNING, decide_each_second, observe


@pytest.mark.parametrize(
    ("growth", "drain", "expected"),
    [
        (0, 0, 0),
        # Pods for 1,000 requests/s at 0.66 serve 1,515.
        (0, 500, 0),
        # (1,000 + 1,000) x 0.66 - 1,000
        (0, 1_000, 320),
        # A rise that continues uses the spare capacity.
        (200, 500, 200),
        (900, 500, 500),
    ],
)
def test_spare_capacity_drains_the_queue_first(growth, drain, expected):
    assert backlog_rate(1_000, growth, drain, 0.66) == pytest.approx(expected)


def test_the_queue_grows_by_what_exceeds_the_capacity():
    # 200 requests/s too many for 10 s.
    assert future_queue(50, 700, 5, 100, horizon_s=10) == 2_050
    assert future_queue(50, 400, 5, 100, horizon_s=10) == 50


def test_a_queue_that_spare_capacity_drains_adds_no_pods():
    state = decide_each_second(CALM)[0].state
    decision = decide(state, observe(10, 500, 41.0, queue=1_000), 41.0, TUNING)
    assert (decision.demand.backlog, decision.replicas) == (0, 8)


def test_a_longer_queue_adds_pods():
    state = decide_each_second(CALM)[0].state
    decision = decide(state, observe(10, 500, 41.0, queue=8_000), 41.0, TUNING)
    assert decision.demand.backlog == pytest.approx(0.66 * (500 + 800) - 500, abs=1)
    assert decision.replicas == 13
