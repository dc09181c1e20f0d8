"""Size an installation for a rate of likes. Pure.

Each part gets as many processes as its CPU time needs at the planned utilization. The figures are those of one
machine, so the result is an estimate.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.cost.figures import Figures

DAY_S = 86_400
_MICRO = 1e-6
MIN_PODS, MIN_PRIMARIES, MIN_FLUSHERS = 2, 3, 2
# An API worker has a socket to each Redis primary for likes, one for rate limits and one for load reports.
SOCKETS_OF_WORKER = 3
# A flusher has a socket to each primary for each database, one for its checks and one for its load reports.
SOCKETS_OF_FLUSHER = 2
# A rolling update adds a quarter of the pods, and a command such as `likewise verify` is one more process.
_SURGE = 1.25
_COMMANDS = 1
# Connections for migrations, tests, operators and superusers, as in the chart's check.
_RESERVED_CONNECTIONS = 13


@dataclass(frozen=True, slots=True)
class Plan:
    """What to size for, and what the installation allows. The defaults are those of the chart and of the settings.

    one_post_share: share of the likes that are for one post. utilization: share of each part's CPU to use.
    workers: of an API pod. database_cores, database_disk_mb_s: of a Postgres server.
    """

    likes_per_second: float
    one_post_share: float = 0.5
    utilization: float = 0.66
    workers: int = 1
    database_cores: int = 4
    database_disk_mb_s: float = 125.0
    max_pods: int = 10
    max_flushers: int = 8
    max_connections: int = 200
    max_redis_clients: int = 10_000
    postgres_pool: int = 2
    queue_bytes: int = 256 * 2**20
    shards: int = 256


@dataclass(frozen=True, slots=True)
class Capacity:
    """The parts that a plan needs, and what its likes use.

    redis_clients: of each primary. connections: of each database. queue_s: time until a Redis primary refuses likes
    while Postgres is down. Bytes are those of one day.
    """

    pods: int
    nginx_cores: int
    primaries: int
    databases: int
    flushers: int
    redis_clients: int
    connections: int
    queue_s: float
    from_clients_bytes: float
    to_clients_bytes: float
    internal_bytes: float
    memory_bytes: float
    storage_bytes: float
    wal_bytes: float


def size(plan: Plan, figures: "Figures") -> Capacity:
    """Return what the plan needs, whether or not the installation allows it."""
    cores = {part: _cores(plan, figures, part) for part in ("api", "nginx", "redis", "postgres", "flusher")}
    pods = max(MIN_PODS, math.ceil(cores["api"] / plan.workers))
    primaries = max(MIN_PRIMARIES, math.ceil(cores["redis"]))
    wal_mb_s = plan.likes_per_second * figures.bytes.postgres_wal * _MICRO
    databases = math.ceil(max(1, cores["postgres"] / plan.database_cores, wal_mb_s / plan.database_disk_mb_s))
    flushers = max(MIN_FLUSHERS, math.ceil(cores["flusher"]))
    processes = math.ceil(pods * _SURGE) * plan.workers + flushers + _COMMANDS
    sockets = pods * plan.workers * SOCKETS_OF_WORKER + flushers * (databases + SOCKETS_OF_FLUSHER)
    likes = plan.likes_per_second * DAY_S
    return Capacity(
        pods=pods,
        nginx_cores=max(1, math.ceil(cores["nginx"])),
        primaries=primaries,
        databases=databases,
        flushers=flushers,
        redis_clients=sockets,
        connections=processes * plan.postgres_pool + _RESERVED_CONNECTIONS,
        queue_s=_queue_s(plan, figures, primaries),
        from_clients_bytes=likes * figures.bytes.client_in,
        to_clients_bytes=likes * figures.bytes.client_out,
        internal_bytes=likes * figures.bytes.internal,
        memory_bytes=likes * figures.bytes.redis_settled,
        storage_bytes=likes * figures.bytes.postgres_stored,
        wal_bytes=likes * figures.bytes.postgres_wal,
    )


def busy_cores(plan: Plan, figures: "Figures") -> float:
    """Return the cores of all parts together, at the planned utilization."""
    return sum(_cores(plan, figures, part) for part in type(figures.one_post).model_fields)


def cores_of_one_post(plan: Plan, figures: "Figures", part: str) -> float:
    """Return the cores of a part that the likes of the one post keep busy."""
    rate = plan.likes_per_second * plan.one_post_share
    return rate * float(getattr(figures.one_post, part)) * _MICRO


def _cores(plan: Plan, figures: "Figures", part: str) -> float:
    """Return the cores of a part, at the planned utilization."""
    rest = plan.likes_per_second * (1 - plan.one_post_share)
    busy = cores_of_one_post(plan, figures, part) + rest * float(getattr(figures.many_posts, part)) * _MICRO
    return busy / plan.utilization


def _queue_s(plan: Plan, figures: "Figures", primaries: int) -> float:
    rate = plan.likes_per_second * (plan.one_post_share + (1 - plan.one_post_share) / primaries)
    return plan.queue_bytes / figures.bytes.redis_pending / rate
