"""When pods are saturated and overloaded, and the demand that is then assumed."""

from dataclasses import replace

import pytest

from autoscaler.policy.forecast.load import Load
from autoscaler.policy.forecast.saturation import censored_demand, is_saturated, update_censored, update_excess

# Ten busy pods of 100 requests/s. The queue and the arrivals are just large enough for an overload.
OVERLOADED = Load(pods=10, arrivals=950, accepted=1_000, busy=10, queue=250)


@pytest.mark.parametrize(("busy", "saturated"), [(10, True), (9.5, True), (9.49, False), (0, False)])
def test_pods_are_saturated_from_95_percent_of_their_time(busy, saturated):
    assert is_saturated(Load(pods=10, busy=busy)) == saturated


@pytest.mark.parametrize(
    ("changes", "before", "passed_s", "excess"),
    [
        pytest.param({}, None, 1, 0.2, id="first"),
        pytest.param({}, 0.1, 1, 0.12, id="a-fifth-of-the-way-in-a-second"),
        pytest.param({}, 0.1, 5, 0.2, id="all-the-way-in-five-seconds"),
        pytest.param({}, 0.1, 50, 0.2, id="longer"),
        pytest.param({"busy": 9}, 0.1, 1, None, id="not-saturated"),
        pytest.param({"accepted": 0}, 0.1, 1, None, id="nothing-served"),
        pytest.param({"arrivals": 1, "accepted": 0.5}, None, 1, 1, id="little-served"),
    ],
)
def test_the_excess_is_the_smoothed_share_of_arrivals_that_are_not_served(changes, before, passed_s, excess):
    load = replace(OVERLOADED, **{"arrivals": 1_200, **changes})
    assert update_excess(before, load, passed_s) == (None if excess is None else pytest.approx(excess))


@pytest.mark.parametrize(
    ("changes", "since", "demand"),
    [
        pytest.param({}, 98.0, 2_000, id="for-two-seconds"),
        pytest.param({}, 98.1, 0, id="too-short"),
        pytest.param({}, None, 0, id="not-censored"),
        pytest.param({"queue": 249}, 90.0, 0, id="short-queue"),
        pytest.param({"busy": 9.4}, 90.0, 0, id="idle-time-left"),
        pytest.param({"arrivals": 949}, 90.0, 0, id="the-queue-drains"),
    ],
)
def test_censored_demand_is_twice_what_overloaded_pods_serve(changes, since, demand):
    assert censored_demand(replace(OVERLOADED, **changes), since, capacity=100, now=100.0) == demand


@pytest.mark.parametrize(
    ("changes", "excess", "since", "expected"),
    [
        pytest.param({}, 0.0, None, 100.0, id="begins"),
        pytest.param({}, 0.0, 90.0, 90.0, id="goes-on"),
        # 1 % and half of the relative deviation of 5,000 requests, 0.7 %.
        pytest.param({}, 0.017, 90.0, 90.0, id="equal-but-for-noise"),
        pytest.param({}, 0.018, 90.0, None, id="the-whole-demand-is-measured"),
        pytest.param({}, None, 90.0, None, id="not-saturated"),
        pytest.param({"queue": 0}, 0.0, 90.0, None, id="not-overloaded"),
        # Below one request in five seconds, half of the requests may be noise.
        pytest.param({"accepted": 0.1}, 0.51, 90.0, 90.0, id="almost-nothing-served"),
        pytest.param({"accepted": 0.1}, 0.52, 90.0, None, id="almost-nothing-served-of-more"),
    ],
)
def test_demand_is_censored_while_overloaded_pods_admit_what_they_serve(changes, excess, since, expected):
    assert update_censored(since, replace(OVERLOADED, **changes), excess, capacity=100, now=100.0) == expected
