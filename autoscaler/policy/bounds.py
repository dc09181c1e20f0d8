"""How many pods may be asked for: bounds, what connections allow, how far one decision goes. Pure."""

from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `least` to `most` pods; `why_most` names what sets the upper one."""

    least: int
    most: int
    why_most: str


def bounds(tuning: Tuning) -> Bounds:
    """The API pods' bounds: the lowest of the maximum and of what Postgres and Redis have connections for."""
    candidates = [(tuning.max_replicas, "max_replicas")]
    if tuning.postgres_slots:
        candidates.append((tuning.postgres_slots // tuning.postgres_per_pod, "postgres_slots"))
    if tuning.redis_clients:
        candidates.append((tuning.redis_clients // tuning.redis_per_pod, "redis_clients"))
    most, why = min(candidates)
    most = max(1, most)
    return Bounds(min(tuning.min_replicas, most), most, why)
