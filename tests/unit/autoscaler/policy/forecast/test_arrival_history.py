"""The history of arrivals with exact numbers: what it keeps, its level, its slope, and the noise that it learns."""

from itertools import accumulate
from math import sqrt

import pytest

from autoscaler.policy.forecast.arrivals import ArrivalHistory


def history_of(rates: list[float], lengths_s: list[float] | None = None, noise: float = 1.0) -> ArrivalHistory:
    """Return a history that begins at 0 with one sample per rate, each of one second or of its length."""
    lengths_s = lengths_s or [1.0] * len(rates)
    sums = accumulate((rate * length for rate, length in zip(rates, lengths_s, strict=True)), initial=0.0)
    return ArrivalHistory(tuple(accumulate(lengths_s, initial=0.0)), tuple(sums), noise, noise)


def test_the_first_sample_covers_one_second():
    assert ArrivalHistory().add(10.0, 5.0) == ArrivalHistory((9.0, 10.0), (0.0, 5.0), 1.0, 1.0)


def test_a_sample_covers_the_time_since_the_last_one():
    history = history_of([10.0]).add(3.0, 20.0)
    assert (history.times, history.sums) == ((0, 1, 3), (0, 10, 50))


@pytest.mark.parametrize(
    ("now", "starts_again"),
    [
        pytest.param(44.0, False, id="34-s"),
        pytest.param(44.1, True, id="long-gap"),
        pytest.param(10.5, False, id="half-a-second"),
        pytest.param(10.0, True, id="the-same-moment"),
        pytest.param(9.0, True, id="clock-stepped-back"),
    ],
)
def test_the_history_starts_again_where_the_time_of_a_sample_is_not_plausible(now, starts_again):
    history = history_of([100.0] * 10, noise=3.0).add(now, 7.0)
    assert (history.times == (now - 1, now)) == starts_again
    # What was learned about the noise stays.
    assert history.noise == 3
    assert (history.next_noise == 3) == starts_again


@pytest.mark.parametrize(("now", "oldest"), [(51.0, 16), (51.5, 17)])
def test_the_samples_of_34_seconds_and_one_before_are_kept(now, oldest):
    history = history_of([10.0] * 50).add(now, 10.0)
    assert (history.times[0], history.sums[0]) == (oldest, 10 * oldest)
    assert (history.times[-1], history.sums[-1]) == (now, 10 * now)


@pytest.mark.parametrize(
    ("start", "end", "mean"), [(0, 3, 20), (1, 2, 20), (0.5, 1, 10), (-1, 1, 5), (2, 4, 15), (3, 5, 0), (1.5, 2.5, 25)]
)
def test_the_mean_counts_no_requests_outside_the_history(start, end, mean):
    assert history_of([10.0, 20.0, 30.0]).mean(start, end) == mean


@pytest.mark.parametrize(
    ("rates", "noise", "level"),
    [
        # The standard deviation of eight seconds is 2.5 % of 201 requests/s.
        pytest.param([210.0] * 32 + [160.0] * 8, 1, 160, id="eight-seconds"),
        pytest.param(
            [210.0] * 32 + [160.0] * 8,
            4,
            210 - 50 * 8 / (4 / (0.025**2 * 7_840 / 39)),
            id="32-seconds-as-the-noise-is-higher",
        ),
        pytest.param([30.0] * 8 + [18.0] * 8 + [6.0] * 24, 1, 9, id="at-most-32-seconds"),
        pytest.param([1e5] * 37 + [91e3, 90e3, 89e3], 1, 90e3, id="at-least-three-seconds"),
        pytest.param([0.0] * 40 + [30.0], 1, 30, id="nothing-before"),
        pytest.param([20.0], 1, 20, id="first-sample"),
        pytest.param([10.0, 20.0], 1, 15, id="second-sample"),
    ],
)
def test_the_level_averages_until_the_noise_is_small(rates, noise, level):
    assert history_of(rates, noise=noise).level() == pytest.approx(level)


@pytest.mark.parametrize("noise", [1, 4])
def test_a_rise_of_three_seconds_counts_minus_its_noise(noise):
    before = (40 * 200 + 2 * 300) / 42
    level = history_of([200.0] * 40 + [300.0] * 3, noise=noise).level()
    assert level == pytest.approx(300 - 2.5 * sqrt(noise * before / 3))


def test_a_jump_in_half_a_second_counts_minus_its_noise():
    level = history_of([1_000.0] * 40 + [4_000.0], [1.0] * 40 + [0.5]).level()
    assert level == pytest.approx(4_000 - 2.5 * sqrt(1_000 / 0.5))


def test_the_slope_of_a_long_rise_is_measured_over_the_longest_span():
    rates = [1_000 + 10.0 * second for second in range(40)]
    deviation = sqrt(sum(rates[:-1]) / 39)
    # Both halves of 32 s add 10 requests/s² to each second of a quarter. One standard deviation is subtracted.
    assert history_of(rates).slope() == pytest.approx(10 - deviation * sqrt(16) / 64)


@pytest.mark.parametrize(("slope", "detected"), [(2.8, False), (2.9, True)])
def test_a_rise_must_exceed_the_noise_of_four_deviations(slope, detected):
    # In 32 s, a slope of 2.87 adds 4 x sqrt(1,055 x 32) requests to the second half.
    history = history_of([1_000 + slope * second for second in range(40)])
    assert (history.slope() > 0) == detected


@pytest.mark.parametrize(
    ("rates", "slope"),
    [
        # The second sample adds 1,000 to the first, and the fourth 1,000 to the third.
        pytest.param([1_000.0, 2_000.0, 3_000.0, 4_000.0], 1_000 - sqrt(2 * 2_000), id="steady"),
        pytest.param([2_000.0, 3_000.0, 4_000.0], 0, id="too-short"),
        # The second half has 400 requests more. The deviation of one second is 50, that of four seconds is 100.
        pytest.param([2_400.0, 2_500.0, 2_600.0, 2_700.0], 0, id="no-more-than-four-deviations"),
        pytest.param([1_000.0, 2_000.0, 3_000.0, 3_440.0], 440 - sqrt(2 * 2_000), id="slows-down"),
        pytest.param([1_000.0, 2_000.0, 3_000.0, 3_430.0], 0, id="has-ended"),
        pytest.param([1_000.0, 1_450.0, 2_450.0, 3_450.0], 450 - sqrt(2 * 4_900 / 3), id="speeds-up"),
        pytest.param([1_000.0, 1_400.0, 2_400.0, 3_400.0], 0, id="a-step-in-the-middle"),
        pytest.param([1_000.0, 2_000.0, 1_500.0, 2_500.0], 250 - sqrt(2 * 1_500), id="falls-between"),
        pytest.param([1_000.0, 1_030.0, 1_200.0, 1_370.0], 0, id="one-half-is-only-noise"),
    ],
)
def test_a_slope_over_four_seconds_needs_a_rise_in_each_quarter(rates, slope):
    assert history_of(rates).slope() == pytest.approx(slope)


@pytest.mark.parametrize(
    ("rates", "slope"),
    [
        # The quarters of two seconds add 400, 0 and 140 requests: 140 is half of 400 minus the deviation of 60.
        pytest.param([757.0, 757, 957, 957, 957, 957, 958, 1_096], (135 - 60) / 4, id="late-half-is-large-enough"),
        pytest.param([757.0, 757, 957, 957, 957, 957, 958, 1_095], 0, id="late-half-is-too-small"),
        # The quarters add 140, 400 and 401 requests.
        pytest.param([707.0, 707, 777, 777, 977, 977, 1_378, 977], (140 - 60) / 4, id="early-half-is-large-enough"),
        pytest.param([707.0, 707, 776, 777, 977, 977, 1_379, 977], 0, id="early-half-is-too-small"),
    ],
)
def test_each_quarter_adds_at_least_half_of_the_one_before_minus_noise(rates, slope):
    assert history_of(rates).slope() == pytest.approx(slope)


def test_samples_of_one_and_a_half_seconds_show_a_rise_of_four_seconds():
    slope = history_of([1_000.0, 2_500.0, 4_000.0], [1.5] * 3).slope()
    assert slope == pytest.approx(750 - sqrt(2 * 1_750))


def test_the_newest_sample_does_not_make_the_rise_before_it_look_small():
    # The last sample covers three seconds, of which the first belongs to the third quarter of eight seconds.
    history = history_of([1_000.0, 1_000.0, 2_000.0, 2_000.0, 2_500.0, 8_000.0], [1.0] * 5 + [3.0])
    assert history.slope() == pytest.approx((2_000 - sqrt(1_700 * 4)) / 4)


@pytest.mark.parametrize(
    ("rate", "noise", "learned"),
    [
        # 40² / (100 x 6) is 5/3 more than the noise. A twentieth of that is learned.
        pytest.param(140, 1, 1 + 5 / 60, id="distance"),
        pytest.param(60, 1, 1 + 5 / 60, id="distance-below"),
        pytest.param(300, 1, 1 + 0.05 * 5.25, id="no-more-than-noise-can-cause"),
        pytest.param(100, 1, 1, id="at-least-that-of-independent-requests"),
        pytest.param(100, 4, 3.8, id="falls"),
        pytest.param(1_000, 25, 25, id="largest"),
    ],
)
def test_noise_is_learned_from_the_distance_to_the_samples_before(rate, noise, learned):
    history = history_of([500.0, 300.0, 100.0, 100.0], noise=noise).add(5.0, rate)
    assert (history.noise, history.next_noise) == (noise, pytest.approx(learned))


@pytest.mark.parametrize(
    ("rates", "rate", "learned"),
    [
        pytest.param([100.0, 120.0], 140, 3.8, id="a-steady-rise-has-no-noise"),
        pytest.param([0.0, 0.0], 50, 4, id="nothing-before"),
        pytest.param([1.0, 1.0], 6, 4 + 0.05 * (25 / 6 - 4), id="little-before"),
        pytest.param([100.0], 200, 4, id="second-sample"),
    ],
)
def test_noise_is_learned_from_the_line_through_two_samples(rates, rate, learned):
    assert history_of(rates, noise=4.0).add(len(rates) + 1.0, rate).next_noise == pytest.approx(learned)


def test_samples_over_a_longer_time_have_less_noise():
    history = history_of([100.0, 100.0], [2.0, 4.0]).add(9.0, 120.0)
    expected = 100 * (1 / 3 + 4 / 4 + 1 / 2)
    assert history.next_noise == pytest.approx(1 + 0.05 * (400 / expected - 1))


def test_a_rate_next_to_zero_is_no_error():
    history = ArrivalHistory()
    for now in (0.0, 20.0, 40.0, 60.0):
        history = history.add(now, 5e-324)
    assert history.noise == ArrivalHistory().noise
