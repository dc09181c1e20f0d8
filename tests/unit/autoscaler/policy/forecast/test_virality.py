"""Posts that double repeatedly."""

import pytest

from autoscaler.policy.forecast.virality import update_trends
from autoscaler.policy.observation import PostRate


def expected_rise(rates: list[float], capacity: float = 100.0, horizon_s: float = 10.0, other: float = 50.0) -> float:
    """Return the expected rise after one observation per second. Another post has a constant rate."""
    trends, seen_at, rise = {}, None, 0.0
    for second, rate in enumerate(rates):
        posts = [PostRate("other", other), PostRate("a", rate)]
        trends, rise = update_trends(trends, posts, seen_at, float(second), capacity, horizon_s)
        seen_at = float(second)
    return rise


def test_a_post_that_doubles_every_five_seconds_is_expected_to_continue():
    rates = [20 * 2 ** (second / 5) for second in range(18)]
    # Four times the rate within 10 s is three times more.
    assert 1.5 * rates[-1] < expected_rise(rates) <= 3 * rates[-1]


def test_a_post_may_have_rested_before_it_rises():
    assert expected_rise([20.0] * 300 + [20 * 2 ** (second / 5) for second in range(18)]) > 100


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param([20.0] * 60, id="constant"),
        pytest.param([20 * 2 ** (second / 5) for second in range(9)], id="one-doubling"),
        pytest.param([20 * 2 ** (second / 60) for second in range(200)], id="two-doublings-in-two-minutes"),
        pytest.param([1 * 2 ** (second / 5) for second in range(17)], id="below-the-smallest-rate"),
        pytest.param([200 / 2 ** (second / 5) for second in range(17)], id="falling"),
    ],
)
def test_no_rise_is_expected(rates):
    assert expected_rise(rates) == 0


def test_a_post_that_was_not_among_the_hottest_has_doubled_since():
    assert expected_rise([0.0] * 10 + [400.0] * 2) > 200


def test_a_post_that_only_jumped_is_soon_expected_to_stay():
    assert expected_rise([0.0] * 10 + [400.0] * 80) == 0


def test_posts_that_are_hot_in_the_first_observation_are_not_new():
    assert expected_rise([400.0]) == 0


def test_at_most_a_thousand_posts_have_a_trend():
    posts = [PostRate(str(number), 100.0 + number) for number in range(1_500)]
    trends, _ = update_trends({}, posts, None, 0.0, 100.0, 10.0)
    assert len(trends) == 1_000
    assert "1499" in trends
