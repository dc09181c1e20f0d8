"""The parts of the demand and their sum."""

import pytest

from autoscaler.policy.forecast.demand import Demand, growth_within


@pytest.mark.parametrize(("slope", "growth"), [(0, 0), (5, 50), (10, 100), (50, 100)])
def test_a_slope_at_most_doubles_the_rate(slope, growth):
    assert growth_within(100, slope, horizon_s=10) == growth


@pytest.mark.parametrize(
    ("demand", "rise", "total"),
    [
        (Demand(), 0, 0),
        # The slope and the viral posts describe the same rise.
        (Demand(arrivals=100, growth=20, viral=30, backlog=5), 30, 135),
        (Demand(arrivals=100, growth=40, viral=30, backlog=5), 40, 145),
        # What saturated pods can't measure.
        (Demand(arrivals=100, growth=20, viral=30, backlog=5, censored=134), 30, 135),
        (Demand(arrivals=100, growth=20, viral=30, backlog=5, censored=500), 30, 500),
    ],
)
def test_the_total_counts_each_rise_once(demand, rise, total):
    assert (demand.rise, demand.total) == (rise, total)
