"""The only place where parts are put together: stores, use cases, the web application, the flusher."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from flask import Flask

from service import api
from service.flusher import Flusher
from service.likes import Likes
from service.security.quotas import Quotas
from service.security.sharing import Sharing
from service.security.viewer import Viewers
from service.settings import Settings
from service.store.cluster import Cluster
from service.store.counter import RedisCounter
from service.store.ledger import PostgresLedger
from service.store.loads import Loader
from service.store.queue import RedisQueue
from service.store.shard_map import parse_shard_map
from service.store.shards import Shards
from service.store.shared_windows import RedisWindows


@dataclass(frozen=True, slots=True)
class Stores:
    """Redis and Postgres, behind their ports. Sockets open on first use."""

    settings: Settings
    counter: RedisCounter
    ledger: PostgresLedger
    queue: RedisQueue
    shards: Shards

    def close(self) -> None:
        """Close every socket."""
        self.shards.cluster.close()
        self.ledger.close()


def stores(settings: Settings, queue_of: Sequence[int] | None = None) -> Stores:
    """The stores of a process; the queue of all shards, or of some. Raises ConfigurationError."""
    ledger = PostgresLedger(settings)
    cluster = _cluster(settings)
    shards = Shards(cluster, ledger, settings.shards)
    return Stores(
        settings=settings,
        counter=RedisCounter(shards, Loader(ledger), settings),
        ledger=ledger,
        queue=RedisQueue(shards, queue_of or range(settings.shards), settings.settled_ttl_s),
        shards=shards,
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


def create_likes(opened: Stores) -> Likes:
    """The use cases on the stores."""
    settings = opened.settings
    return Likes(counter=opened.counter, ledger=opened.ledger, ack=settings.ack, cache_ms=settings.count_cache_ms)


def create_flusher(opened: Stores) -> Flusher:
    """A flusher of this process; its lease carries host and process."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    return Flusher(queue=opened.queue, store=opened.ledger, settings=opened.settings, owner=owner)


@contextmanager
def flushers(settings: Settings) -> Iterator[list[Flusher]]:
    """A flusher for each database, with sockets of its own: a database that hangs delays no other."""
    with ExitStack() as stack:
        ranges = parse_shard_map(settings.shard_map, settings.shards)
        yield [create_flusher(stack.enter_context(open_stores(settings, held.shards))) for held in ranges]


def create_app(settings: Settings) -> Flask:
    """The WSGI application of a pod. Raises ConfigurationError."""
    opened = stores(settings)
    quotas = Quotas(settings)
    # Sockets of its own: what pods tell each other about limits must not hold up a like.
    windows = RedisWindows(_cluster(settings))
    sharing = Sharing(quotas.all, windows, settings.limit_share_ms / 1000)
    viewers = Viewers(settings, quotas)
    viewers.users.start()
    app = Flask("service", static_folder=None)
    api.register(app, likes=create_likes(opened), viewers=viewers, settings=settings)
    closing = ExitStack()
    for close in (opened.close, viewers.close, windows.close, sharing.close):
        closing.callback(close)
    app.extensions["close"] = closing.close
    return app
