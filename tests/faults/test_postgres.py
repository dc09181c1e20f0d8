"""Postgres is unavailable. Posts in Redis still take likes, other posts answer 503, and all likes are stored later."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import pytest

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores
from service.devstack.postgres import PostgresServer
from service.errors import LikeStoreUnavailableError
from tests.support.stack.concurrent_load import TrackedLikes, drain, rows
from tests.support.stack.faults import client, post_in, primary_of
from tests.support.stack.servers import SHARDS, Servers
from tests.support.waiting import wait_for

HALF = SHARDS // 2
FIRST_HALF = [post_in(shard, SHARDS) for shard in range(HALF)]
SECOND_HALF = [post_in(shard, SHARDS) for shard in range(HALF, SHARDS)]


def assert_refused(tracked: TrackedLikes, post: str, actor: str) -> None:
    """Check that a like of a post that is not in Redis is refused in time."""
    started = time.monotonic()
    with pytest.raises(LikeStoreUnavailableError):
        tracked.like(post, actor)
    assert time.monotonic() - started < 3


def test_posts_in_redis_accept_likes_without_postgres(servers: Servers, stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like_all(FIRST_HALF + SECOND_HALF, ["anna", "ben"])
    drain(stores)
    for server in servers.postgres:
        server.kill()
    for post in FIRST_HALF + SECOND_HALF:
        state = tracked.like(post, "cleo")
        # Redis knows every liker of a small post.
        assert (state.count, state.approximate) == (3, False)
    for post in (post_in(0, SHARDS, "new"), post_in(HALF, SHARDS, "new")):
        assert_refused(tracked, post, "anna")
    flusher = create_flusher(stores)
    assert flusher._try_flush() == 0
    for server in servers.postgres:
        server.start()
    wait_for(lambda: stores.like_store.check() == [])
    tracked.retry_unacknowledged()
    tracked.assert_consistent()


def test_counts_are_approximate_if_only_postgres_knows_the_actor(
    servers: Servers, stores: Stores, tracked: TrackedLikes
) -> None:
    post = FIRST_HALF[0]
    actors = [f"actor-{at}" for at in range(300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda actor: tracked.like(post, actor), actors))
    drain(stores)
    with client(primary_of(stores, 0)) as node:
        node.delete(*(stores.shard_client.key(0, f"{kind}:{post}") for kind in "clu"))
    assert tracked.likes.state(post, actors[0]).count == 300
    for server in servers.postgres:
        server.kill()
    known = tracked.likes.state(post, actors[0])
    assert (known.liked, known.count, known.approximate) == (True, 300, False)
    new = tracked.like(post, "anna")
    assert (new.count, new.approximate) == (301, True)
    counted_twice = tracked.like(post, actors[1])
    assert (counted_twice.count, counted_twice.approximate) == (302, True)
    kept = tracked.unlike(post, actors[2])
    assert (kept.liked, kept.count, kept.approximate) == (False, 302, True)
    state = tracked.likes.state(post, actors[3])
    assert (state.count, state.approximate) == (302, True)
    for server in servers.postgres:
        server.start()
    wait_for(lambda: stores.like_store.check() == [])
    tracked.assert_consistent()
    assert len(tracked.expected[post]) == 300


def test_a_stopped_database_does_not_affect_the_shards_of_another(
    servers: Servers, stores: Stores, tracked: TrackedLikes
) -> None:
    tracked.like_all(FIRST_HALF + SECOND_HALF, ["anna"])
    drain(stores)
    servers.postgres[0].kill()
    tracked.like_all(FIRST_HALF + SECOND_HALF, ["ben"])
    fresh = [post_in(shard, SHARDS, "new") for shard in range(HALF, SHARDS)]
    tracked.like_all(fresh, ["cleo"])
    assert_refused(tracked, post_in(0, SHARDS, "new"), "cleo")
    flusher = create_flusher(stores)
    wait_for(lambda: flusher._try_flush() == 0 and second_half_is_flushed(stores))
    flusher.drain()
    assert sum(status.length for status in stores.queue.poll("", 0)) == len(FIRST_HALF)
    servers.postgres[0].start()
    wait_for(lambda: stores.like_store.check() == [])
    found = rows(stores)
    assert all(found[post] == tracked.expected[post] for post in SECOND_HALF + fresh)
    assert all(found[post] == {"anna"} for post in FIRST_HALF)
    tracked.retry_unacknowledged()
    tracked.assert_consistent()


@contextmanager
def hanging(server: PostgresServer) -> Iterator[None]:
    """Suspend the server and its backends: connections stay open, and nothing answers."""
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    family = [main, *main.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def test_a_hanging_database_does_not_affect_the_shards_of_another(
    servers: Servers, stores: Stores, tracked: TrackedLikes
) -> None:
    tracked.like_all(FIRST_HALF + SECOND_HALF, ["anna"])
    drain(stores)
    flusher = create_flusher(stores)
    with hanging(servers.postgres[0]):
        tracked.like_all(FIRST_HALF + SECOND_HALF, ["ben"])
        for _ in range(2):
            assert_refused(tracked, post_in(0, SHARDS, "new"), "anna")
        tracked.like_all([post_in(HALF, SHARDS, "new")], ["anna"])
        wait_for(lambda: flusher._try_flush() == 0 and second_half_is_flushed(stores))
        flusher.drain()
    wait_for(lambda: stores.like_store.check() == [])
    tracked.retry_unacknowledged()
    tracked.assert_consistent()


def second_half_is_flushed(stores: Stores) -> bool:
    """Return whether the shards of the second database have nothing pending."""
    return all(status.length == 0 for status in stores.queue.poll("", 0) if status.shard >= HALF)


def test_a_new_epoch_waits_for_its_own_database_only(servers: Servers, stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like_all(FIRST_HALF + SECOND_HALF, ["anna"])
    drain(stores)
    servers.postgres[0].kill()
    for port in {primary_of(stores, shard) for shard in range(SHARDS)}:
        with client(port) as node:
            node.flushall()
    for post in FIRST_HALF[:2]:
        assert_refused(tracked, post, "ben")
    for post in SECOND_HALF:
        assert tracked.like(post, "ben").count == 2
    servers.postgres[0].start()
    wait_for(lambda: stores.like_store.check() == [])
    tracked.retry_unacknowledged()
    tracked.assert_consistent()
