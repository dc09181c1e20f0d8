"""The window of recommendations, and the number of pods that a scale-down keeps."""

import pytest

from autoscaler.policy.scale_down import RecommendationWindow, record_recommendation, scale_down
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(max_scale_down_share=0.35, scale_down_period_s=10)


def window_of(*entries: tuple[float, int]) -> RecommendationWindow:
    return RecommendationWindow(entries)


@pytest.mark.parametrize(
    ("entries", "now", "pods", "expected"),
    [
        pytest.param([(0, 9), (10, 7)], 20, 5, [(0, 9), (10, 7), (20, 5)], id="falling"),
        pytest.param([(0, 9), (10, 7)], 20, 8, [(0, 9), (20, 8)], id="a-higher-one-replaces-lower-ones"),
        pytest.param([(0, 9), (10, 7)], 20, 9, [(20, 9)], id="an-equal-one-replaces-the-older"),
        pytest.param([(0, 9), (1, 7)], 30, 5, [(1, 7), (30, 5)], id="too-old"),
    ],
)
def test_the_window_keeps_what_can_still_become_the_maximum(entries, now, pods, expected):
    window = window_of(*entries).add(now, pods, stabilization_s=30)
    assert window == window_of(*expected)
    assert window.maximum == expected[0][1]


@pytest.mark.parametrize(
    ("assessed_at", "maximum"), [pytest.param(80.0, 5, id="20-s"), (79.0, 10), pytest.param(None, 10, id="first")]
)
def test_the_window_starts_again_with_all_pods_after_a_gap(assessed_at, maximum):
    window = record_recommendation(window_of((80.0, 3)), assessed_at, 10, 5, now=100.0, stabilization_s=30)
    assert window.maximum == maximum
    assert window.entries[-1] == (100.0, 5)


def test_the_window_that_starts_again_forgets_the_recommendations_before_the_gap():
    window = record_recommendation(window_of((99.0, 50)), None, 10, 5, now=100.0, stabilization_s=30)
    assert window == window_of((100.0, 10), (100.0, 5))


@pytest.mark.parametrize(
    ("current", "needed", "since_change_s", "kept"),
    [
        pytest.param(10, 9, 60, 10, id="a-tenth-is-tolerated"),
        pytest.param(10, 8, 60, 8, id="surplus"),
        # 65 % of 10, rounded down.
        pytest.param(10, 1, 60, 6, id="largest-step"),
        pytest.param(10, 8, 9.9, 10, id="too-soon"),
        pytest.param(10, 8, 10, 8, id="late-enough"),
    ],
)
def test_a_scale_down_keeps_the_needed_pods_and_most_of_the_others(current, needed, since_change_s, kept):
    assert scale_down(current, window_of((0, needed)), since_change_s, TUNING) == kept
