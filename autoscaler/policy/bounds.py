"""Compute the smallest and the largest number of API pods. Pure."""

from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and the largest number of pods. `max_limit` names the setting that gives the largest."""

    min_replicas: int
    max_replicas: int
    max_limit: str


def api_pod_bounds(tuning: Tuning) -> Bounds:
    """Return the bounds of the API pods.

    The upper bound is the lowest of `max_replicas` and the numbers that Postgres and Redis have connections for.
    """
    candidates = [(tuning.max_replicas, "max_replicas")]
    if tuning.postgres_slots:
        candidates.append((tuning.postgres_slots // tuning.postgres_per_pod, "postgres_slots"))
    if tuning.redis_clients:
        candidates.append((tuning.redis_clients // tuning.redis_per_pod, "redis_clients"))
    lowest, name = min(candidates)
    max_replicas = max(1, lowest)
    return Bounds(min(tuning.min_replicas, max_replicas), max_replicas, name)
