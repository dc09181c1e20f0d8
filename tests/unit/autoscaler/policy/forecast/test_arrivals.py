"""The arrival rate and its slope, distinguished from noise."""

import random

import pytest

from autoscaler.policy.forecast.arrivals import SPANS_S, ArrivalHistory


def history_of(rates: list[float], step_s: float = 1.0) -> ArrivalHistory:
    history = ArrivalHistory()
    for number, rate in enumerate(rates, 1):
        history = history.add(number * step_s, rate)
    return history


def noisy_rate(rate: float, noise: float, seed: int) -> float:
    return max(0.0, random.Random(seed).gauss(rate, (noise * rate) ** 0.5))


def test_mean_over_any_span():
    history = history_of([10.0, 20.0, 30.0])
    assert history.mean(1.0, 3.0) == 25
    assert history.mean(1.5, 2.5) == 25


def test_level_shows_a_step_at_once_minus_the_noise():
    assert history_of([1_000.0] * 40 + [4_000.0]).level() == pytest.approx(4_000 - 2.5 * 1_000**0.5)


def test_level_averages_a_low_rate_over_a_longer_time():
    rates = [noisy_rate(50, 1, second) for second in range(60)]
    levels = [history_of(rates[:length]).level() for length in range(40, 60)]
    # Single samples differ by more than half.
    assert max(levels) - min(levels) < 0.25 * 50


@pytest.mark.parametrize(("slope", "within_s"), [(160.0, 6), (50.0, 13), (15.0, 26)])
def test_a_steeper_rise_is_detected_sooner(slope, within_s):
    rates = [noisy_rate(2_000, 1, second) for second in range(40)]
    rates += [noisy_rate(2_000 + slope * second, 1, second) for second in range(1, within_s + 1)]
    assert 0.2 * slope < history_of(rates).slope() < 2 * slope


def test_a_step_has_no_slope_at_any_time():
    for after_s in range(1, 40):
        rates = [2_000.0] * 40 + [9_000.0] * after_s
        assert history_of(rates).slope() == 0


def test_noise_after_a_step_causes_little_slope():
    highest = []
    for seed in range(60):
        draw = random.Random(seed)
        history, slope = ArrivalHistory(), 0.0
        for second in range(1, 75):
            rate = 4_000 if second <= 40 else 6_000
            history = history.add(float(second), draw.gauss(rate, rate**0.5))
            slope = max(slope, history.slope())
        highest.append(slope)
    # The limit is a slope that would double the rate in five minutes.
    assert sum(highest) / len(highest) < 0.003 * 6_000


def test_two_samples_that_are_far_apart_have_no_slope():
    history = history_of([1_000.0] * 40)
    assert history.add(43.0, 9_000.0).slope() == 0


def test_noise_has_almost_no_slope_and_is_learned():
    for noise in (1, 4):
        history, rises = ArrivalHistory(), 0
        for second in range(1, 3_601):
            history = history.add(float(second), noisy_rate(2_000, noise, second))
            rises += history.slope() > 0
        # At most four times in an hour.
        assert rises <= 4
        assert history.next_noise == pytest.approx(noise, rel=0.5)


def test_a_steady_rise_is_not_noise():
    assert history_of([1_000 + 100.0 * second for second in range(40)]).next_noise == 1


def test_samples_older_than_the_longest_span_are_dropped():
    history = history_of([1.0] * 1_000)
    assert len(history.times) <= SPANS_S[-1] + 4


def test_the_history_starts_again_after_a_long_gap():
    assert history_of([100.0] * 40).add(1_000.0, 7.0).level() == 7
