"""Test the workload: when likes are due, for which posts, and what follows them."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE, draw_follow_ups, draw_posts, most_liked
from service.loadtest.generator.plan import Options
from service.loadtest.generator.schedule import PEAKS, PROFILES, Schedule, turn_length
from service.loadtest.generator.workload import build_workload

profiles = st.sampled_from(sorted(PROFILES))


@given(profiles, st.integers(1, 3_000), st.floats(0.001, 3_600))
def test_likes_are_due_in_order_and_within_the_duration(profile: str, likes: int, seconds: float) -> None:
    schedule = Schedule(likes, seconds, profile)
    assert len(schedule.times) == likes
    assert schedule.at(0) == 0
    assert all(before <= after for before, after in pairwise(schedule.times))
    assert schedule.at(likes - 1) <= seconds
    assert schedule.due(seconds) == likes
    assert schedule.due(-0.001) == 0


@given(profiles, st.integers(1, 500), st.data())
def test_a_like_is_due_from_its_time_on(profile: str, likes: int, data: st.DataObject) -> None:
    schedule = Schedule(likes, 10, profile)
    like = data.draw(st.integers(0, likes - 1))
    assert schedule.due(schedule.at(like)) > like
    assert like == 0 or schedule.due(schedule.at(like) - 1e-6) <= like


@given(profiles, st.floats(0, 1), st.floats(0, 1))
def test_a_profile_rises_from_0_to_1(profile: str, one: float, other: float) -> None:
    function = PROFILES[profile]
    assert (function(0.0), function(1.0)) == pytest.approx((0, 1))
    assert function(min(one, other)) <= function(max(one, other)) + 1e-12
    assert 0 <= function(one) <= 1


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_highest_rate_of_a_profile(profile: str) -> None:
    rates = Counter(int(when) for when in Schedule(100_000, 400, profile).times)
    assert max(rates.values()) / 250 == pytest.approx(PEAKS[profile], rel=0.02)


@given(st.floats(0, 1))
def test_the_viral_profile_is_as_documented(x: float) -> None:
    span = 1 - math.exp(-3)
    rising = (math.exp(3 * (4 * x - 1)) - math.exp(-3)) / span / 4
    falling = 0.25 + 0.75 * (1 - math.exp(-4 * (x - 0.25))) / span
    assert PROFILES["viral"](min(1.0, rising if x < 0.25 else falling)) == pytest.approx(x, abs=1e-9)


def test_the_shapes_of_the_profiles() -> None:
    assert [Schedule(4, 8).at(like) for like in range(4)] == [0, 2, 4, 6]
    assert [Schedule(4, 8, "ramp").due(seconds) for seconds in (3.9, 4, 8)] == [1, 2, 4]
    rates = Counter(int(when) for when in Schedule(100_000, 100, "viral").times)
    assert max(rates, key=rates.__getitem__) in (24, 25)
    assert rates[0] < rates[12] < rates[24]
    assert rates[25] > rates[60] > rates[99]


def test_only_a_fast_run_has_turns_which_few_connections_shorten() -> None:
    assert [turn_length(rate, 256) for rate in (1_000, 1_001, 16_000, 32_000)] == [0, 0.004, 0.004, 0.002]
    assert turn_length(2_000, 2) == 0.00025
    assert Schedule(1_000, 2, "ramp").peak == 1_000


@given(st.integers(1, 2_000), st.integers(1, 50), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_each_like_has_a_post_and_runs_are_repeatable(likes: int, posts: int, zipf: float) -> None:
    found = draw_posts(likes, posts, zipf)
    assert len(found) == likes
    assert set(found) <= set(range(posts))
    assert found == draw_posts(likes, posts, zipf)


def test_zipf_1_is_uneven_and_0_is_even() -> None:
    even, uneven = (Counter(draw_posts(100_000, 10, zipf)) for zipf in (0.0, 1.0))
    assert set(even.values()) == {10_000}
    assert uneven[0] / uneven[1] == pytest.approx(2, rel=0.05)
    assert uneven[0] / uneven[9] == pytest.approx(10, rel=0.1)
    assert most_liked(draw_posts(1_000, 10, 1.0)) == 0


@given(st.integers(1, 2_000), st.floats(0, 1), st.floats(0, 1))
def test_the_shares_of_follow_ups_are_exact(likes: int, unlikes: float, repeats: float) -> None:
    repeats = min(repeats, 1 - unlikes)
    found = Counter(draw_follow_ups(likes, unlikes, repeats))
    assert found[UNLIKE] == round(likes * unlikes)
    assert abs(found[REPEAT] - likes * repeats) <= 1
    assert found.total() == likes
    assert found[LIKE] >= 0


def test_no_post_is_sampled_with_unlikes() -> None:
    assert build_workload(Options(100, 1, posts=5)).sampled_post == 0
    assert build_workload(Options(100, 1, unlikes=0.1)).sampled_post is None
