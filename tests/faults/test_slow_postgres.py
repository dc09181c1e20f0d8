"""Postgres needs so long for each row that a backlog does not fit into one transaction. It is stored nevertheless."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import open_stores
from service.core.flusher import Flusher
from service.core.likes import LikeRequest
from service.devstack.postgres import PostgresServer
from tests.support.stack.concurrent_load import TrackedLikes, is_drained, rows, verified
from tests.support.stack.faults import post_in
from tests.support.stack.servers import SHARDS, Servers
from tests.support.waiting import wait_for

# All shards of the first database.
POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS // 2)]
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.003); RETURN new; END';
CREATE TRIGGER slow BEFORE INSERT ON post_likes FOR EACH ROW EXECUTE FUNCTION slow()
"""


@contextmanager
def slow(server: PostgresServer) -> Iterator[None]:
    """Make every stored row take three milliseconds."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(SLOW)
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION slow CASCADE")


@contextmanager
def impatient_flusher(servers: Servers) -> Iterator[Flusher]:
    """Yield a flusher whose transactions time out after half a second."""
    with open_stores(servers.with_settings(postgres_timeout_ms=100)) as stores:
        flusher = create_flusher(stores)
        yield flusher
        flusher.drain()


@pytest.mark.parametrize(("posts", "actors"), [(1, 320), (8, 40)], ids=["one shard", "many shards"])
def test_a_backlog_larger_than_a_transaction_is_stored(
    servers: Servers, tracked: TrackedLikes, posts: int, actors: int
) -> None:
    tracked.like_all(POSTS[:posts], [f"actor-{at}" for at in range(actors)])
    with slow(servers.postgres[0]), impatient_flusher(servers) as flusher:
        wait_for(lambda: flusher._try_flush() == 0 and is_drained(tracked.stores), 60)
        assert flusher._bounded.limit(0) <= 160
        assert flusher._bounded.limit(SHARDS - 1) == servers.settings.flush_batch
    tracked.assert_consistent()


def test_a_like_that_is_refused_by_a_slow_database_becomes_a_dead_letter(
    servers: Servers, tracked: TrackedLikes
) -> None:
    tracked.like_all(POSTS[:1], [f"actor-{at}" for at in range(120)])
    assert tracked.stores.counter.submit(LikeRequest(POSTS[0], "a\0b", True), "memory").changed
    tracked.like_all(POSTS[:1], [f"actor-{at}" for at in range(120, 240)])
    with slow(servers.postgres[0]), impatient_flusher(servers) as flusher:
        wait_for(lambda: flusher._try_flush() == 0 and is_drained(tracked.stores), 60)
    assert rows(tracked.stores) == tracked.expected
    assert verified(tracked.stores).dead_letters == 1
    tracked.assert_reads_match()


def test_entries_that_another_flusher_stored_are_acknowledged_by_a_slow_database(
    servers: Servers, tracked: TrackedLikes
) -> None:
    """A flusher dies after its commit. Its batch is too large for the transactions that the next one may make."""
    tracked.like_all(POSTS[:1], [f"actor-{at}" for at in range(240)])
    stores = tracked.stores
    statuses = [status for status in stores.queue.poll("dead", 1) if status.length]
    stores.like_store.commit(stores.queue.read(statuses, 5_000))
    with slow(servers.postgres[0]), impatient_flusher(servers) as flusher:
        flusher._bounded._size(0).record_timeout(8)
        wait_for(lambda: flusher._try_flush() == 0 and is_drained(stores), 60)
    tracked.assert_consistent()
