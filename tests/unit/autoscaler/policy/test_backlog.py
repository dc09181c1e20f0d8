"""What waits: worked off by what pods have to spare, and only beyond that by more of them."""

import pytest

from autoscaler.policy.forecast.backlog import backlog_rate, future_queue
from autoscaler.policy.policy import decide
from tests.support.observations import TUNING, after, seen

CALM = [500.0] * 40  # half of what ten pods serve


@pytest.mark.parametrize(
    ("growth", "drain", "expected"),
    [
        (0, 0, 0),
        (0, 500, 0),  # pods for 1,000 requests/s at 0.66 serve 1,515
        (0, 1_000, 320),  # (1,000 + 1,000) x 0.66 - 1,000
        (200, 500, 200),  # a rise that goes on takes the spare
        (900, 500, 500),
    ],
)
def test_what_pods_have_to_spare_drains_first(growth, drain, expected):
    assert backlog_rate(1_000, growth, drain, 0.66) == pytest.approx(expected)


def test_what_comes_beyond_what_pods_serve_will_wait():
    assert future_queue(50, 700, 5, 100, horizon_s=10) == 2_050  # 200 requests/s too many for 10 s
    assert future_queue(50, 400, 5, 100, horizon_s=10) == 50


def test_a_queue_that_the_pods_work_off_themselves_asks_for_no_more():
    decision = decide(after(CALM)[0].state, seen(10, 500, 41.0, queue=1_000), 41.0, TUNING)
    assert (decision.demand.backlog, decision.replicas) == (0, 8)


def test_a_queue_beyond_that_does():
    state = after(CALM)[0].state
    decision = decide(state, seen(10, 500, 41.0, queue=8_000), 41.0, TUNING)
    assert decision.demand.backlog == pytest.approx(0.66 * (500 + 800) - 500, abs=1)
    assert decision.replicas == 13
