"""The trend of one post, step by step: smoothing, doublings, and the rise that they announce."""

import math

import pytest

from autoscaler.policy.forecast.virality import Doublings, PostTrend, update_trends
from autoscaler.policy.observation import PostRate

NOW = 100.0
# A rate of one request/s is the smallest with a trend.
CAPACITY = 8.0


def update(doublings: Doublings, rate: float, horizon_s: float = 5.0) -> tuple[Doublings, float]:
    """Return the doublings of a post and its expected rise. A trend of the same moment is not smoothed."""
    trends = {"a": PostTrend(NOW, 1.0, doublings)}
    updated, rise = update_trends(trends, [PostRate("a", rate)], NOW, NOW, CAPACITY, horizon_s)
    return updated["a"].doublings, rise


@pytest.mark.parametrize(
    ("seen_at", "rate"),
    [
        pytest.param(98.0, 200 - 100 * math.exp(-1), id="two-seconds"),
        pytest.param(99.5, 200 - 100 * math.exp(-0.25), id="half-a-second"),
        pytest.param(100.0, 200, id="the-same-moment"),
        pytest.param(101.0, 200, id="clock-stepped-back"),
    ],
)
def test_a_rate_is_smoothed_over_two_seconds(seen_at, rate):
    trends = {"a": PostTrend(seen_at, 100.0, ((seen_at, 100.0),))}
    updated, _ = update_trends(trends, [PostRate("a", 200.0)], seen_at, NOW, CAPACITY, 5.0)
    assert (updated["a"].at, updated["a"].rate) == (NOW, pytest.approx(rate))


TWICE_IN_TEN_SECONDS = ((90.0, 10.0), (95.0, 20.0))


@pytest.mark.parametrize(
    ("doublings", "rate", "horizon_s", "rise"),
    [
        pytest.param(TWICE_IN_TEN_SECONDS, 40, 5, 40, id="one-more-doubling"),
        pytest.param(TWICE_IN_TEN_SECONDS, 40, 2.5, 40 * (2**0.5 - 1), id="half-a-doubling"),
        pytest.param(TWICE_IN_TEN_SECONDS, 40, 10, 120, id="two-doublings"),
        pytest.param(TWICE_IN_TEN_SECONDS, 40, 100, 120, id="at-most-two-doublings"),
        pytest.param(TWICE_IN_TEN_SECONDS, 39.9, 5, 0, id="not-yet-doubled-twice"),
        # One doubling in the eight seconds since the newest doubling.
        pytest.param(((90.0, 10.0), (92.0, 40.0)), 40, 8, 40, id="slower-since-the-newest-doubling"),
        pytest.param(((90.0, 10.0), (92.0, 80.0)), 40, 8, 40, id="falls-since-the-newest-doubling"),
        pytest.param(((90.0, 10.0), (100.0, 40.0)), 40, 5, 0, id="doubled-at-this-moment"),
    ],
)
def test_a_post_that_doubled_twice_goes_on_as_before(doublings, rate, horizon_s, rise):
    assert update(doublings, rate, horizon_s)[1] == pytest.approx(rise)


@pytest.mark.parametrize(
    ("doublings", "rate", "expected"),
    [
        pytest.param(((90, 10),), 20, ((90, 10), (NOW, 20)), id="doubles"),
        pytest.param(((90, 10),), 19, ((90, 10),), id="not-yet"),
        pytest.param(((70, 10), (80, 20), (90, 40)), 80, ((80, 20), (90, 40), (NOW, 80)), id="three-are-kept"),
        pytest.param(((90, 10),), 11, ((NOW, 10),), id="rests"),
        pytest.param(((90, 10),), 9, ((NOW, 9),), id="falls-before-it-doubles"),
        pytest.param(((90, 10),), 12, ((90, 10),), id="begins-to-rise"),
        pytest.param(((80, 5), (90, 10)), 11, ((80, 5), (90, 10)), id="rests-after-a-doubling"),
        pytest.param(((80, 5), (90, 10)), 5, ((80, 5), (90, 10)), id="falls-by-half"),
        pytest.param(((80, 5), (90, 10)), 4, ((NOW, 4),), id="falls-further"),
        pytest.param(((40, 10), (90, 20)), 20, ((40, 10), (90, 20)), id="a-minute-ago"),
        pytest.param(((39, 5), (80, 10), (90, 20)), 20, ((80, 10), (90, 20)), id="longer-ago"),
        pytest.param(((10, 5), (20, 10), (90, 20)), 20, ((90, 20),), id="two-are-too-old"),
        pytest.param(((10, 10),), 15, ((NOW, 15),), id="all-are-too-old"),
    ],
)
def test_doublings_are_recorded_for_a_minute(doublings, rate, expected):
    assert update(doublings, rate)[0] == expected


def test_the_rises_of_several_posts_are_added():
    trends = {name: PostTrend(NOW, 1.0, TWICE_IN_TEN_SECONDS) for name in ("a", "b")}
    posts = [PostRate("a", 40.0), PostRate("b", 40.0), PostRate("small", 0.1)]
    _, rise = update_trends(trends, posts, NOW, NOW, CAPACITY, 5.0)
    assert rise == pytest.approx(80)


@pytest.mark.parametrize(("rate", "known"), [(1.0, True), (0.9, False)])
def test_a_post_has_a_trend_from_an_eighth_of_a_pods_capacity(rate, known):
    updated, _ = update_trends({}, [PostRate("a", rate)], None, NOW, CAPACITY, 5.0)
    assert ("a" in updated) == known


def test_a_post_that_falls_below_the_smallest_rate_is_forgotten_and_adds_nothing():
    trends = {"a": PostTrend(NOW, 1.0, ((90.0, 0.1), (95.0, 0.2)))}
    assert update_trends(trends, [PostRate("a", 0.9)], NOW, NOW, CAPACITY, 5.0) == ({}, 0.0)


def test_a_post_that_falls_fast_keeps_its_trend_after_a_small_post():
    trends = {"falls": PostTrend(99.0, 400.0, ((99.0, 400.0),))}
    posts = [PostRate("small", 0.9), PostRate("falls", 0.5)]
    assert list(update_trends(trends, posts, None, NOW, CAPACITY, 5.0)[0]) == ["falls"]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_that_is_not_valid_ends_the_trend(rate):
    trends = {"a": PostTrend(99.0, 400.0, ((99.0, 400.0),))}
    assert update_trends(trends, [PostRate("a", rate)], 99.0, NOW, CAPACITY, 5.0) == ({}, 0.0)


def test_a_post_of_the_first_look_begins_at_its_rate():
    updated, _ = update_trends({}, [PostRate("a", 50.0)], None, NOW, CAPACITY, 5.0)
    assert updated == {"a": PostTrend(NOW, 50.0, ((NOW, 50.0),))}


def test_a_post_that_is_new_begins_at_the_smallest_rate_of_the_last_look():
    updated, _ = update_trends({}, [PostRate("a", 50.0)], 90.0, NOW, CAPACITY, 5.0)
    rate = 50 - 49 * math.exp(-5)
    assert updated == {"a": PostTrend(NOW, pytest.approx(rate), ((90.0, 1.0), (NOW, pytest.approx(rate))))}
