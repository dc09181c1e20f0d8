"""Posts that double and double again."""

import pytest

from autoscaler.policy.forecast.virality import update_trends
from autoscaler.policy.observation import PostRate


def extra_after(rates: list[float], capacity: float = 100.0, ahead_s: float = 10.0, other: float = 50.0) -> float:
    """What is expected after looks a second apart; another post is always there."""
    climbs, seen, extra = {}, None, 0.0
    for second, rate in enumerate(rates):
        posts = [PostRate("other", other), PostRate("a", rate)]
        climbs, extra = update_trends(climbs, posts, seen, float(second), capacity, ahead_s)
        seen = float(second)
    return extra


def test_a_post_that_doubles_every_five_seconds_is_expected_to_go_on():
    rates = [20 * 2 ** (second / 5) for second in range(18)]
    assert 1.5 * rates[-1] < extra_after(rates) <= 3 * rates[-1]  # fourfold within 10 s, so three times more


def test_it_may_have_rested_for_long():
    assert extra_after([20.0] * 300 + [20 * 2 ** (second / 5) for second in range(18)]) > 100


@pytest.mark.parametrize(
    "rates",
    [
        [20.0] * 60,
        [20 * 2 ** (second / 5) for second in range(9)],  # has doubled once
        [20 * 2 ** (second / 60) for second in range(200)],  # twice in two minutes: the total shows that
        [1 * 2 ** (second / 5) for second in range(17)],  # fourfold of too little
        [200 / 2 ** (second / 5) for second in range(17)],
    ],
)
def test_others_are_not(rates):
    assert extra_after(rates) == 0


def test_one_that_was_not_among_the_hottest_has_doubled_since():
    assert extra_after([0.0] * 10 + [400.0] * 2) > 200


def test_one_that_only_jumped_is_soon_expected_to_stay():
    assert extra_after([0.0] * 10 + [400.0] * 80) == 0


def test_posts_that_are_hot_at_the_first_look_are_not_new():
    assert extra_after([400.0]) == 0


def test_at_most_a_thousand_are_followed():
    posts = [PostRate(str(number), 100.0 + number) for number in range(1_500)]
    climbs, _ = update_trends({}, posts, None, 0.0, 100.0, 10.0)
    assert len(climbs) == 1_000
    assert "1499" in climbs
