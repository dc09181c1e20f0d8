"""Find the limits of an installation, and the rate of likes at which each is reached. Pure."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

from service.cost.capacity import Capacity, Plan, cores_of_one_post, size
from service.cost.figures import Figures

# A limit above this rate is not looked for.
MAX_RATE = 1_000_000_000
_MEGA = 1e6
_Used = Callable[[Plan, Figures, Capacity], float]


@dataclass(frozen=True, slots=True)
class Limit:
    """A resource that a rate of likes uses up. `remedy` says what to do before."""

    name: str
    remedy: str
    used: _Used
    most: Callable[[Plan], float]

    def is_exceeded(self, plan: Plan, figures: Figures) -> bool:
        """Return whether the plan needs more than there is."""
        return self.used(plan, figures, size(plan, figures)) > self.most(plan)

    def reached_at(self, plan: Plan, figures: Figures) -> int:
        """Return the highest rate within the limit, MAX_RATE if none is above it."""
        rates = range(1, MAX_RATE + 1)
        return bisect_left(rates, True, key=lambda rate: self.is_exceeded(_at(plan, rate), figures))


def _at(plan: Plan, rate: int) -> Plan:
    return replace(plan, likes_per_second=rate)


def _one_post(part: str, name: str) -> Limit:
    # All likes of a post are in one shard, which one process of each part serves with one core.
    return Limit(
        f"one post: {name}",
        "a faster core; a post cannot be split",
        lambda plan, figures, need: cores_of_one_post(plan, figures, part),
        lambda plan: plan.utilization,
    )


LIMITS = (
    _one_post("redis", "the core of its Redis primary"),
    _one_post("flusher", "the core of its flusher"),
    _one_post("postgres", "its database connection"),
    Limit(
        "one post: the disk of its database",
        "a faster disk for the write-ahead log",
        lambda plan, figures, need: plan.likes_per_second * plan.one_post_share * figures.bytes.postgres_wal / _MEGA,
        lambda plan: plan.database_disk_mb_s,
    ),
    Limit("API pods", "raise hpa.maxReplicas", lambda plan, figures, need: need.pods, lambda plan: plan.max_pods),
    Limit(
        "connections of a database",
        "raise max_connections, or use PgBouncer",
        lambda plan, figures, need: need.connections,
        lambda plan: plan.max_connections,
    ),
    Limit(
        "clients of a Redis primary",
        "raise maxclients, or give pods more workers",
        lambda plan, figures, need: need.redis_clients,
        lambda plan: plan.max_redis_clients,
    ),
    Limit(
        "flushers",
        "raise autoscaler.settings.max_flushers",
        lambda plan, figures, need: need.flushers,
        lambda plan: plan.max_flushers,
    ),
    Limit(
        "Redis primaries, one for each shard",
        "install with more shards",
        lambda plan, figures, need: need.primaries,
        lambda plan: plan.shards,
    ),
    Limit(
        "databases, one for each shard",
        "install with more shards",
        lambda plan, figures, need: need.databases,
        lambda plan: plan.shards,
    ),
)


def limits_in_order(plan: Plan, figures: Figures) -> list[tuple[int, Limit]]:
    """Return each limit that a rate can reach, with that rate, the lowest first. The plan's own rate is not used."""
    found = [(limit.reached_at(plan, figures), limit) for limit in LIMITS]
    return sorted(((rate, limit) for rate, limit in found if rate < MAX_RATE), key=lambda pair: pair[0])
