"""ArrivalHistory: level and growth told from chance."""

import random

import pytest

from autoscaler.policy.forecast.arrivals import SPANS_S, ArrivalHistory


def told(rates: list[float], step_s: float = 1.0) -> ArrivalHistory:
    arrivals = ArrivalHistory()
    for number, rate in enumerate(rates, 1):
        arrivals = arrivals.add(number * step_s, rate)
    return arrivals


def chance(rate: float, spread: float, seed: int) -> float:
    return max(0.0, random.Random(seed).gauss(rate, (spread * rate) ** 0.5))


def test_the_mean_is_of_what_came():
    arrivals = told([10.0, 20.0, 30.0])
    assert arrivals.mean(1.0, 3.0) == 25
    assert arrivals.mean(1.5, 2.5) == 25


def test_a_step_shows_at_once_less_what_may_be_chance():
    assert told([1_000.0] * 40 + [4_000.0]).level() == pytest.approx(4_000 - 2.5 * 1_000**0.5)


def test_a_few_requests_are_averaged_over_longer():
    rates = [chance(50, 1, second) for second in range(60)]
    levels = [told(rates[:length]).level() for length in range(40, 60)]
    assert max(levels) - min(levels) < 0.25 * 50  # single looks differ by more than half


@pytest.mark.parametrize(("slope", "within_s"), [(160.0, 6), (50.0, 13), (15.0, 26)])
def test_a_rise_is_seen_the_sooner_the_steeper_it_is(slope, within_s):
    rates = [chance(2_000, 1, second) for second in range(40)]
    rates += [chance(2_000 + slope * second, 1, second) for second in range(1, within_s + 1)]
    assert 0.2 * slope < told(rates).slope() < 2 * slope


def test_a_step_is_no_growth_wherever_it_stands():
    for after_s in range(1, 40):
        rates = [2_000.0] * 40 + [9_000.0] * after_s
        assert told(rates).slope() == 0


def test_chance_after_a_step_is_little_growth():
    most = []
    for seed in range(60):
        draw = random.Random(seed)
        arrivals, found = ArrivalHistory(), 0.0
        for second in range(1, 75):
            rate = 4_000 if second <= 40 else 6_000
            arrivals = arrivals.add(float(second), draw.gauss(rate, rate**0.5))
            found = max(found, arrivals.slope())
        most.append(found)
    assert sum(most) / len(most) < 0.003 * 6_000  # what would double it in five minutes


def test_two_looks_that_are_far_apart_show_no_growth():
    arrivals = told([1_000.0] * 40)
    assert arrivals.add(43.0, 9_000.0).slope() == 0


def test_chance_is_no_growth():
    for spread in (1, 4):
        arrivals, grown = ArrivalHistory(), 0
        for second in range(1, 3_601):
            arrivals = arrivals.add(float(second), chance(2_000, spread, second))
            grown += arrivals.slope() > 0
        assert grown <= 4  # in an hour
        assert arrivals.next_noise == pytest.approx(spread, rel=0.5)


def test_a_steady_rise_is_no_noise():
    assert told([1_000 + 100.0 * second for second in range(40)]).next_noise == 1


def test_only_what_the_longest_span_needs_is_kept():
    arrivals = told([1.0] * 1_000)
    assert len(arrivals.times) <= SPANS_S[-1] + 4


def test_after_a_long_silence_it_begins_anew():
    assert told([100.0] * 40).add(1_000.0, 7.0).level() == 7
