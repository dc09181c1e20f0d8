"""The smallest and the largest number of API pods."""

import pytest

from autoscaler.policy.bounds import Bounds, api_pod_bounds
from autoscaler.policy.tuning import Tuning


@pytest.mark.parametrize(
    ("settings", "bounds"),
    [
        ({}, Bounds(2, 100, "max_replicas")),
        # Four connections per pod: the 21st pod would get only three.
        ({"postgres_slots": 83, "postgres_per_pod": 4}, Bounds(2, 20, "postgres_slots")),
        ({"redis_clients": 79, "redis_per_pod": 5}, Bounds(2, 15, "redis_clients")),
        ({"postgres_slots": 40, "redis_clients": 60}, Bounds(2, 10, "postgres_slots")),
        ({"postgres_slots": 60, "redis_clients": 40}, Bounds(2, 10, "redis_clients")),
        ({"postgres_slots": 4_000, "redis_clients": 4_000}, Bounds(2, 100, "max_replicas")),
        # A single connection can be all that there is.
        ({"postgres_slots": 1, "postgres_per_pod": 1}, Bounds(1, 1, "postgres_slots")),
        ({"redis_clients": 1, "redis_per_pod": 1}, Bounds(1, 1, "redis_clients")),
        # Too few connections for one pod: one is asked for nevertheless.
        ({"postgres_slots": 3}, Bounds(1, 1, "postgres_slots")),
    ],
)
def test_the_lowest_limit_is_the_maximum(settings, bounds):
    assert api_pod_bounds(Tuning(min_replicas=2, max_replicas=100, **settings)) == bounds
