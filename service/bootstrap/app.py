"""The only place where parts are put together: stores, use cases, the web application, the flusher."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask

from service import api
from service.api.http.request_counter import count_traffic
from service.auth.identity import Viewers
from service.bootstrap.tracing import PodTracing, flusher_traces
from service.core.flusher import Flusher
from service.core.likes import LikeCounter, Likes
from service.core.queue import BatchStore, Queue
from service.core.readiness import Readiness
from service.instrumentation.consistency_checks import ConsistencyChecks, repeated
from service.instrumentation.flusher_load import FlusherLoadMeter
from service.instrumentation.monitor import FlusherMonitor
from service.observability.load_meter import EventLoopLag, LoadMeter
from service.observability.load_report import KEYS
from service.observability.load_reporter import LoadReporter
from service.observability.metrics_server import serve_metrics
from service.observability.traffic_counter import TrafficCounter
from service.ratelimit.policy import Quotas
from service.ratelimit.sync import Sharing
from service.settings import Settings
from service.storage.cache_fill import CacheLoader
from service.storage.postgres.like_store import PostgresLikeStore
from service.storage.postgres.shard_map import parse_shard_map
from service.storage.redis.cluster import Cluster
from service.storage.redis.like_counter import RedisLikeCounter
from service.storage.redis.load_report_store import RedisLoadReportStore
from service.storage.redis.ratelimit_store import RedisWindows
from service.storage.redis.shard_client import ShardClient
from service.storage.redis.stream_queue import RedisStreamQueue


class Closing(Protocol):
    """Holds sockets or threads."""

    def close(self) -> None:
        """Give them back."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Redis and Postgres, behind their ports. Sockets open on first use."""

    settings: Settings
    counter: RedisLikeCounter
    like_store: PostgresLikeStore
    queue: RedisStreamQueue
    shard_client: ShardClient

    def close(self) -> None:
        """Close every socket."""
        self.shard_client.cluster.close()
        self.like_store.close()


def stores(settings: Settings, queue_of: Sequence[int] | None = None) -> Stores:
    """The stores of a process; the queue of all shards, or of some. Raises ConfigurationError."""
    like_store = PostgresLikeStore(settings)
    cluster = _cluster(settings)
    shard_client = ShardClient(cluster, like_store, settings.shards)
    return Stores(
        settings=settings,
        counter=RedisLikeCounter(shard_client, CacheLoader(like_store), settings),
        like_store=like_store,
        queue=RedisStreamQueue(shard_client, queue_of or range(settings.shards), settings.settled_ttl_s),
        shard_client=shard_client,
    )


def _cluster(settings: Settings) -> Cluster:
    return Cluster(
        settings.redis_urls,
        timeout_s=settings.redis_timeout_ms / 1000,
        username=settings.redis_username,
        password=settings.redis_password.get_secret_value(),
        ca_file=settings.redis_ca_file,
    )


@contextmanager
def open_stores(settings: Settings, queue_of: Sequence[int] | None = None) -> Iterator[Stores]:
    """The stores, closed at the end."""
    opened = stores(settings, queue_of)
    try:
        yield opened
    finally:
        opened.close()


def create_likes(
    opened: Stores, asked: Callable[[str], object] = bool, traced: Callable[[LikeCounter], LikeCounter] | None = None
) -> Likes:
    """The use cases on the stores."""
    settings = opened.settings
    counter = traced(opened.counter) if traced else opened.counter
    return Likes(
        counter=counter, like_store=opened.like_store, ack=settings.ack, cache_ms=settings.count_cache_ms, asked=asked
    )


def create_flusher(opened: Stores, queue: Queue | None = None, store: BatchStore | None = None) -> Flusher:
    """A flusher of this process, through other ports if wanted; its lease carries host and process."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    queue, store = queue or opened.queue, store or opened.like_store
    return Flusher(queue=queue, store=store, settings=opened.settings, owner=owner)


@contextmanager
def flushers(settings: Settings) -> Iterator[list[Flusher]]:
    """A flusher for each database, with sockets of its own: a database that hangs delays no other. All are watched."""
    with ExitStack() as stack:
        watch, made = FlusherMonitor.with_settings(settings), []
        traced = stack.enter_context(flusher_traces(settings))
        for held in parse_shard_map(settings.shard_map, settings.shards):
            opened = stack.enter_context(open_stores(settings, held.shards))
            label = f"{held.first}-{held.last}"
            queue, store = watch.observe(label, opened.queue, traced(opened.like_store))
            made.append(create_flusher(opened, queue, store))
        stack.enter_context(_watched(settings, watch))
        yield made


@contextmanager
def _watched(settings: Settings, watch: FlusherMonitor) -> Iterator[None]:
    """Serve metrics, and check the servers through sockets that no flusher waits for."""
    with open_stores(settings) as opened, ExitStack() as stack:
        checks = ConsistencyChecks(
            watch.metrics,
            redis=opened.counter,
            postgres=opened.like_store,
            held=opened.queue,
            rows=opened.like_store,
            shards=watch.held,
        )
        stack.enter_context(
            serve_metrics(settings.metrics_host, settings.metrics_port, watch.metrics.registry, watch.is_live)
        )
        stack.enter_context(repeated(checks.round, settings.check_interval_ms / 1000))
        signals = create_load_reporter(settings, "flusher", FlusherLoadMeter(watch.backlogs()).measure)
        signals.start()
        stack.callback(signals.close)
        yield


def create_app(settings: Settings) -> Flask:
    """The WSGI application of a pod. Raises ConfigurationError.

    Its extensions `start`, `stop` and `close` are for who serves it: once serving, once told to stop, and at the end.
    """
    opened, quotas = stores(settings), Quotas(settings)
    viewers = Viewers(settings, quotas)
    viewers.users.start()
    app = Flask("service", static_folder=None)
    traffic, lateness, traces = TrafficCounter(), EventLoopLag(), PodTracing(settings)
    signals = create_load_reporter(settings, "api", LoadMeter(traffic, lateness.take_s).measure)
    readiness = Readiness(opened.counter, opened.like_store, silence_s=settings.redis_silence_s)
    likes = create_likes(opened, traffic.posts.append, traces.counter)
    api.register(app, likes=likes, viewers=viewers, readiness=readiness, settings=settings)
    count_traffic(app, traffic)
    traces.requests(app, viewers.clients)
    close = _closing(opened, viewers, *_shared_limits(settings, quotas), readiness, lateness, signals, traces)
    start = _each(readiness.start, lateness.start, signals.start)
    app.extensions |= {"start": start, "stop": readiness.stop, "close": close}
    return app


def _shared_limits(settings: Settings, quotas: Quotas) -> tuple[RedisWindows, Sharing]:
    """What other pods count of the limits, through sockets of its own: it must not hold up a like."""
    windows = RedisWindows(_cluster(settings))
    return windows, Sharing(quotas.all, windows, settings.limit_share_ms / 1000)


def _closing(*parts: Closing) -> Callable[[], None]:
    """Closes them in turn, the last first; each, whatever another does."""
    stack = ExitStack()
    for part in parts:
        stack.callback(part.close)
    return stack.close


def create_load_reporter(settings: Settings, role: str, measure: Callable[[], Mapping[str, Any]]) -> LoadReporter:
    """Tells the autoscaler of this process, once started; with sockets of its own, as for limits."""
    report_stores = [RedisLoadReportStore(_cluster(settings), key) for key in KEYS] if settings.signal_ms else []
    return LoadReporter(role, measure, report_stores, settings.signal_ms / 1000)


def _each(*calls: Callable[[], None]) -> Callable[[], None]:
    def call_each() -> None:
        for call in calls:
            call()

    return call_each
