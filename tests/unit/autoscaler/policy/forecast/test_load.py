"""The sum of the pods' reports, and the rate of a busy pod that is learned from it."""

import pytest

from autoscaler.policy.forecast.load import Load, scaled_load, sum_load, update_capacity
from autoscaler.policy.observation import PodSample


def test_the_load_is_the_sum_over_pods_and_over_warm_pods():
    samples = [
        PodSample("warm", 0, arrivals=10, accepted=8, busy=0.5, queue=2, in_flight=1, ready_s=30, pods=3),
        PodSample("cold", 0, arrivals=20, accepted=15, busy=1.5, queue=4, in_flight=1, ready_s=29, pods=2),
        # A pod can't be busy for more than the whole second.
        PodSample("warm and full", 0, arrivals=2, accepted=1, busy=1.5, queue=0, in_flight=1, ready_s=60),
    ]
    expected = Load(pods=6, arrivals=72, accepted=55, busy=4.5, queue=14, warm_pods=4, warm_accepted=25, warm_busy=2.5)
    assert sum_load(samples, warmup_s=30) == expected


def test_the_sums_over_warm_pods_are_not_scaled():
    load = Load(pods=4, arrivals=10, accepted=8, busy=2, queue=6, warm_pods=3, warm_accepted=7, warm_busy=1.5)
    assert scaled_load(load, 1.5) == Load(6, 15, 12, 3, 9, 3, 7, 1.5)


@pytest.mark.parametrize(
    ("load", "passed_s", "expected"),
    [
        # 80 requests/s in 1.6 of 2 pods' time are 50 requests/s of a busy pod.
        pytest.param(Load(warm_pods=2, warm_accepted=80, warm_busy=1.6), 30, 75, id="half-a-minute"),
        pytest.param(Load(warm_pods=2, warm_accepted=80, warm_busy=1.6), 60, 50, id="a-minute-replaces-it"),
        pytest.param(Load(warm_pods=2, warm_accepted=80, warm_busy=1.6), 600, 50, id="longer"),
        pytest.param(Load(warm_pods=2, warm_accepted=80, warm_busy=1.6), -5, 100, id="clock-stepped-back"),
        pytest.param(Load(warm_pods=2, warm_accepted=30, warm_busy=0.6), 60, 50, id="busy-enough"),
        pytest.param(Load(warm_pods=2, warm_accepted=29, warm_busy=0.58), 60, 100, id="not-busy-enough"),
        pytest.param(Load(warm_pods=1, warm_accepted=0, warm_busy=1), 60, 100, id="busy-but-nothing-served"),
        pytest.param(Load(warm_pods=1, warm_accepted=1, warm_busy=1), 60, 1, id="very-slow"),
        pytest.param(Load(pods=2, accepted=80, busy=1.6), 60, 100, id="no-warm-pod"),
    ],
)
def test_the_capacity_follows_busy_warm_pods(load, passed_s, expected):
    assert update_capacity(100, load, passed_s) == pytest.approx(expected)
