"""Creation of the flushers of a process, with their metrics, checks and load reports."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from service.bootstrap.stores import Stores, create_load_reporter, open_stores
from service.bootstrap.tracing import flusher_tracing
from service.core.flusher import Flusher
from service.core.queue import BatchStore, Queue
from service.instrumentation.consistency_checks import ConsistencyChecks
from service.instrumentation.flusher_load import FlusherLoadMeter
from service.instrumentation.monitor import FlusherMonitor
from service.observability.metrics_server import serve_metrics
from service.settings import Settings
from service.storage.postgres.shard_map import parse_shard_map


def create_flusher(stores: Stores, queue: Queue | None = None, store: BatchStore | None = None) -> Flusher:
    """Create a flusher on the stores, or on other ports. The name of its lease has the host and the process."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    queue, store = queue or stores.queue, store or stores.like_store
    return Flusher(queue=queue, store=store, settings=stores.settings, owner=owner)


@contextmanager
def open_flushers(settings: Settings) -> Iterator[list[Flusher]]:
    """Yield a flusher for each database, all of them monitored until the end of the block.

    Each has its own sockets, so a database that hangs delays no other.
    """
    with ExitStack() as stack:
        monitor, flushers = FlusherMonitor.with_settings(settings), []
        traced = stack.enter_context(flusher_tracing(settings))
        for shard_range in parse_shard_map(settings.shard_map, settings.shards):
            stores = stack.enter_context(open_stores(settings, shard_range.shards))
            label = f"{shard_range.first}-{shard_range.last}"
            queue, store = monitor.instrument(label, stores.queue, traced(stores.like_store))
            flushers.append(create_flusher(stores, queue, store))
        stack.enter_context(_run_monitor(settings, monitor))
        yield flushers


@contextmanager
def _run_monitor(settings: Settings, monitor: FlusherMonitor) -> Iterator[None]:
    """Serve metrics, check the servers, and report the load, with sockets that no flusher waits for."""
    with open_stores(settings) as stores, ExitStack() as stack:
        registry = monitor.metrics.registry
        stack.enter_context(serve_metrics(settings.metrics_host, settings.metrics_port, registry, monitor.is_live))
        checks = ConsistencyChecks(
            monitor.metrics,
            redis=stores.counter,
            postgres=stores.like_store,
            redis_state=stores.queue,
            postgres_state=stores.like_store,
            leased_shards=monitor.leased_shards,
            interval_s=settings.check_interval_ms / 1000,
        )
        load_reporter = create_load_reporter(settings, "flusher", FlusherLoadMeter(monitor.backlogs()).measure)
        for task in (checks, load_reporter):
            stack.callback(task.close)
            task.start()
        yield
