"""The demand of an observation, and what the state learns from it."""

from dataclasses import replace

import pytest

from autoscaler.policy.decision import State
from autoscaler.policy.forecast.arrivals import ArrivalHistory
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.forecast.load import Load
from autoscaler.policy.forecast.virality import PostTrend
from autoscaler.policy.forecast_demand import forecast_demand, is_pending_growing
from autoscaler.policy.observation import Observation, PostRate
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(pod_capacity=100, max_replicas=100, pod_startup_s=5, creation_per_s=20, queue_drain_s=10)
NOW = 100.0


def steady(rate: float) -> State:
    """Return the state after a minute of a constant rate."""
    arrivals = ArrivalHistory()
    for second in range(40, 100):
        arrivals = arrivals.add(float(second), rate)
    return State(started_at=40.0, data_since=40.0, assessed_at=99.0, capacity=100.0, arrivals=arrivals)


def load_of(rate: float, pods: int = 10, queue: float = 0.0, busy: float = 5.0) -> Load:
    return Load(pods, rate, rate, busy, queue, pods, rate, busy)


def forecast(state: State, load: Load, tuning: Tuning = TUNING, **observed: object) -> tuple[Demand, State]:
    observation = Observation(**({"replicas": load.pods, "expected": load.pods, "pods": ()} | observed))
    return forecast_demand(state, observation, load, NOW, tuning)


@pytest.mark.parametrize(
    ("rate", "pods", "horizon_s"),
    [
        # A report is one second old, and a pod starts within five.
        pytest.param(500, 10, 6, id="enough-pods"),
        # 20 pods are missing: 1,980 / 66 - 10.
        pytest.param(1_980, 10, 7, id="missing-pods-are-created-first"),
        pytest.param(33_000, 400, 11, id="at-most-the-maximum-is-created"),
    ],
)
def test_the_horizon_is_the_time_until_all_missing_pods_serve(rate, pods, horizon_s):
    demand, _ = forecast(steady(rate), load_of(rate, pods), replicas=10)
    assert demand.horizon_s == pytest.approx(horizon_s)
    assert (demand.arrivals, demand.growth) == (pytest.approx(rate), 0)


def test_the_horizon_includes_the_demand_of_the_queue():
    # (1,980 + backlog) / 66 - 10 pods are missing. A drain of 1,320 adds 0.66 x (1,980 + 1,320) - 1,980 = 198.
    demand, _ = forecast(steady(1_980), load_of(1_980, 30, queue=13_200))
    assert demand.horizon_s == pytest.approx(6 + 3 / 20)
    assert demand.backlog == pytest.approx(198)


def rising(rate: float, slope: float) -> State:
    """Return a state whose slope is kept, as its pods are overloaded."""
    return replace(steady(rate), overloaded=True, arrival_slope=slope)


def test_growth_is_the_slope_over_the_horizon_and_the_age_of_the_level():
    demand, state = forecast(rising(500, 10), load_of(500))
    # The level is the mean of three seconds, so it is 1.5 s old.
    assert demand == Demand(arrivals=pytest.approx(500), growth=pytest.approx(10 * 7.5), horizon_s=6)
    assert state.arrival_slope == 10


@pytest.mark.parametrize(
    ("pods", "replicas", "queue"),
    [
        # 1,000 and half of the growth of 200 exceed 10 pods by 100 requests/s for 6 s.
        pytest.param(10, 10, 600, id="all-serve"),
        pytest.param(8, 10, 1_200, id="half-of-the-starting-pods-serve"),
        pytest.param(10, 8, 600, id="pods-that-are-stopping-still-serve"),
    ],
)
def test_the_queue_grows_until_the_horizon(pods, replicas, queue):
    tuning = TUNING.model_copy(update={"creation_per_s": 1e9, "queue_drain_s": 1})
    demand, _ = forecast(rising(1_000, 200 / 7.5), load_of(1_000, pods), tuning, replicas=replicas)
    assert demand.growth == pytest.approx(200, rel=1e-3)
    # Spare capacity drains what 34 % of the pods for the demand can serve. The rise needs that capacity.
    beyond_spare = 0.66 * (1_200 + queue) - 1_200
    assert demand.backlog == pytest.approx(max(beyond_spare, min(200, queue)), rel=1e-2)


def test_a_slope_ends_with_the_rise():
    assert forecast(replace(steady(500), arrival_slope=10.0), load_of(500))[1].arrival_slope == 0


def test_no_arrivals_are_no_demand():
    assert forecast(steady(0), load_of(0, busy=0))[0] == Demand(horizon_s=6)


@pytest.mark.parametrize(("busy", "arrivals"), [(10, 900), (9, 500)])
def test_the_rate_does_not_fall_while_pods_are_saturated(busy, arrivals):
    state = replace(steady(500), arrival_rate=900.0)
    demand, state = forecast(state, load_of(500, busy=busy))
    assert (demand.arrivals, state.arrival_rate) == (pytest.approx(arrivals), pytest.approx(arrivals))


@pytest.mark.parametrize(
    ("data_since", "assessed_at", "doublings"),
    [
        # The post was below the smallest rate at the last look, and has doubled since.
        pytest.param(97.0, 90.0, ((90.0, 12.5),), id="all-pods-have-reported-for-three-seconds"),
        pytest.param(97.1, 99.0, (), id="pods-begin-to-report"),
        pytest.param(None, 90.0, (), id="first-report-after-a-gap"),
    ],
)
def test_a_post_is_new_only_once_all_pods_report(data_since, assessed_at, doublings):
    state = replace(steady(500), data_since=data_since, assessed_at=assessed_at)
    _, state = forecast(state, load_of(500), posts=(PostRate("a", 200.0),))
    assert state.post_trends["a"].doublings[:-1] == doublings
    assert state.data_since == (NOW if data_since is None else data_since)


def test_trends_of_posts_are_forgotten_while_pods_begin_to_report():
    trend = PostTrend(NOW, 10.0, ((90.0, 50.0), (95.0, 100.0)))
    known = replace(steady(500), post_trends={"a": trend})
    posts = (PostRate("a", 200.0),)
    assert forecast(known, load_of(500), posts=posts)[0].viral > 0
    demand, state = forecast(replace(known, data_since=None), load_of(500), posts=posts)
    assert (demand.viral, state.post_trends["a"].doublings) == (0, ((NOW, 200.0),))


def test_the_rise_of_a_viral_post_is_expected_within_the_horizon():
    trend = PostTrend(NOW, 10.0, ((88.0, 50.0), (94.0, 100.0)))
    state = replace(steady(500), post_trends={"a": trend})
    demand, _ = forecast(state, load_of(500), posts=(PostRate("a", 200.0),))
    # Two doublings in 12 s are one in the horizon of 6 s.
    assert (demand.viral, demand.total) == (pytest.approx(200), pytest.approx(700))


@pytest.mark.parametrize(
    ("known", "measured", "learned"), [(0.0, None, 5), (0.0, 15.0, 8), (10.0, None, 10), (10.0, 20.0, 13)]
)
def test_three_tenths_of_a_measured_startup_time_are_learned(known, measured, learned):
    state = replace(steady(500), pod_startup_s=known)
    demand, state = forecast(state, load_of(500), pod_startup_s=measured)
    assert state.pod_startup_s == pytest.approx(learned)
    assert demand.horizon_s == pytest.approx(1 + learned)


@pytest.mark.parametrize(
    ("history", "pending", "expected"),
    [
        pytest.param(((90.0, 5.0),), None, ((90.0, 5.0),), id="not-known"),
        pytest.param(((70.0, 5.0), (99.0, 6.0)), 7.0, ((70.0, 5.0), (99.0, 6.0), (NOW, 7.0)), id="half-a-minute"),
        pytest.param(((69.0, 5.0), (99.0, 6.0)), 7.0, ((99.0, 6.0), (NOW, 7.0)), id="older"),
    ],
)
def test_pending_likes_are_remembered_for_half_a_minute(history, pending, expected):
    _, state = forecast(replace(steady(500), pending_history=history), load_of(500), pending=pending)
    assert state.pending_history == expected


@pytest.mark.parametrize(
    ("history", "arrival_rate", "growing"),
    [
        pytest.param((), 0, False, id="none-known"),
        pytest.param(((1, 100), (2, 500), (3, 111)), 50, True, id="more-than-a-tenth"),
        pytest.param(((1, 100), (2, 500), (3, 1.1 * 100)), 50, False, id="a-tenth"),
        pytest.param(((1, 100), (2, 500), (3, 400)), 400, False, id="the-likes-of-one-second"),
        pytest.param(((1, 100), (2, 500), (3, 401)), 400, True, id="more-than-the-likes-of-one-second"),
    ],
)
def test_pending_likes_grow_if_they_are_more_than_before_and_than_those_of_a_second(history, arrival_rate, growing):
    assert is_pending_growing(State(pending_history=history, arrival_rate=arrival_rate)) == growing


@pytest.mark.parametrize(
    ("capacity", "assessed_at", "learned"),
    [
        # 480 requests/s in 8 of 10 pods' time are 60 requests/s of a busy pod.
        pytest.param(100.0, 70.0, 80, id="half-a-minute-later"),
        pytest.param(100.0, 40.0, 60, id="a-minute-later"),
        pytest.param(100.0, None, 100 - 40 / 60, id="first"),
        pytest.param(0.0, 70.0, 80, id="not-learned-yet"),
    ],
)
def test_the_capacity_is_learned_over_a_minute(capacity, assessed_at, learned):
    state = replace(steady(480), capacity=capacity, assessed_at=assessed_at)
    _, state = forecast(state, load_of(480, busy=8))
    assert (state.capacity, state.assessed_at) == (pytest.approx(learned), NOW)


OVERLOADED = load_of(1_000, queue=5_000, busy=10)


@pytest.mark.parametrize(
    ("before", "load", "overloaded", "censored_since"),
    [
        pytest.param({}, OVERLOADED, True, NOW, id="begins"),
        pytest.param({"censored_since": 95.0, "overloaded": True}, OVERLOADED, True, 95.0, id="goes-on"),
        pytest.param({"overloaded": True}, load_of(1_000, busy=10), True, None, id="saturated-with-a-short-queue"),
        pytest.param({}, load_of(1_000, busy=10), False, None, id="only-saturated"),
        pytest.param({"censored_since": 95.0, "overloaded": True}, load_of(1_000, busy=9), False, None, id="ends"),
    ],
)
def test_pods_are_overloaded_from_censoring_until_they_have_idle_time(before, load, overloaded, censored_since):
    _, state = forecast(replace(steady(1_000), **before), load)
    assert (state.overloaded, state.censored_since) == (overloaded, censored_since)
    assert state.excess_share == (0 if load.busy == 10 else None)


def test_the_excess_is_averaged_over_the_time_since_the_last_decision():
    state = replace(steady(1_000), excess_share=0.5, assessed_at=98.0)
    assert forecast(state, OVERLOADED)[1].excess_share == pytest.approx(0.5 - 2 / 5 * 0.5)


@pytest.mark.parametrize(("since", "censored"), [(98.0, 2_000), (99.0, 0), (None, 0)])
def test_the_censored_demand_uses_what_was_known_before(since, censored):
    demand, _ = forecast(replace(steady(1_000), censored_since=since), OVERLOADED)
    assert demand.censored == censored
