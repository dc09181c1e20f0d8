"""Creation of the stores, and of the parts that depend on nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from service.core.likes import LikeCounter, Likes
from service.observability.load_report import KEYS
from service.observability.load_reporter import LoadReporter
from service.settings import Settings
from service.storage.cache_fill import CacheLoader
from service.storage.postgres.like_store import PostgresLikeStore
from service.storage.redis.cluster import Cluster
from service.storage.redis.like_counter import RedisLikeCounter
from service.storage.redis.load_report_store import RedisLoadReportStore
from service.storage.redis.loop_counter import RedisLoopCounter
from service.storage.redis.shard_client import ShardClient
from service.storage.redis.stream_queue import RedisStreamQueue


@dataclass(frozen=True, slots=True)
class Stores:
    """Redis and Postgres. Sockets open on first use."""

    settings: Settings
    counter: RedisLikeCounter
    like_store: PostgresLikeStore
    queue: RedisStreamQueue
    shard_client: ShardClient

    def close(self) -> None:
        """Close every socket."""
        self.shard_client.cluster.close()
        self.like_store.close()


def create_stores(settings: Settings, assigned: Sequence[int] | None = None) -> Stores:
    """Create the stores of a process. Its queue has the `assigned` shards, or all. Raises ConfigurationError."""
    like_store = PostgresLikeStore(settings)
    shard_client = ShardClient(create_cluster(settings), like_store, settings.shards)
    return Stores(
        settings=settings,
        counter=RedisLikeCounter(shard_client, CacheLoader(like_store), settings),
        like_store=like_store,
        queue=RedisStreamQueue(shard_client, assigned or range(settings.shards), settings.idle_post_ttl_s),
        shard_client=shard_client,
    )


@contextmanager
def open_stores(settings: Settings, assigned: Sequence[int] | None = None) -> Iterator[Stores]:
    """Yield the stores, and close them at the end of the block."""
    stores = create_stores(settings, assigned)
    try:
        yield stores
    finally:
        stores.close()


def create_cluster(settings: Settings) -> Cluster:
    """Create a client of the Redis Cluster, with its own sockets."""
    return Cluster(
        settings.redis_urls,
        timeout_s=settings.redis_timeout_ms / 1000,
        username=settings.redis_username,
        password=settings.redis_password.get_secret_value(),
        ca_file=settings.redis_ca_file,
    )


def create_likes(
    stores: Stores,
    on_request: Callable[[str], object] = bool,
    trace: Callable[[LikeCounter], LikeCounter] | None = None,
) -> Likes:
    """Create the use cases on the stores. `trace` may wrap the counter."""
    settings = stores.settings
    return Likes(
        counter=trace(stores.counter) if trace else stores.counter,
        like_store=stores.like_store,
        ack=settings.ack,
        cache_ms=settings.count_cache_ms,
        on_request=on_request,
    )


def create_loop_counter(stores: Stores) -> RedisLoopCounter | None:
    """Create the counter of a pod's event loop. None if a like must wait for a replica or for Postgres."""
    if stores.settings.ack != "memory":
        return None
    return RedisLoopCounter(stores.shard_client, stores.counter, stores.settings)


def create_load_reporter(settings: Settings, role: str, measure: Callable[[], Mapping[str, Any]]) -> LoadReporter:
    """Create the load reporter of this process, with its own sockets so that it does not delay likes."""
    report_stores = (
        [RedisLoadReportStore(create_cluster(settings), key) for key in KEYS] if settings.load_report_ms else []
    )
    return LoadReporter(role, measure, report_stores, settings.load_report_ms / 1000)
