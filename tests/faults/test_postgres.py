"""Postgres is away: posts that Redis holds go on, others answer 503, and all is stored once it is back."""

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
from tests.support.concurrent_load import Crowd, drain, rows
from tests.support.faults import client, post_in, primary_of
from tests.support.servers import SHARDS, Servers
from tests.support.waiting import wait_for

HALF = SHARDS // 2
HERE = [post_in(shard, SHARDS) for shard in range(HALF)]
THERE = [post_in(shard, SHARDS) for shard in range(HALF, SHARDS)]


def refused(crowd: Crowd, post: str, actor: str) -> None:
    """The like of a post that only Postgres knows is refused in time."""
    started = time.monotonic()
    with pytest.raises(LikeStoreUnavailableError):
        crowd.like(post, actor)
    assert time.monotonic() - started < 3


def test_posts_in_redis_outlive_both_databases(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(HERE + THERE, ["anna", "ben"])
    drain(stores)
    for server in servers.postgres:
        server.kill()
    for post in HERE + THERE:
        state = crowd.like(post, "cleo")
        assert (state.count, state.approximate) == (3, False)  # Redis knows every liker of a small post
    for post in (post_in(0, SHARDS, "new"), post_in(HALF, SHARDS, "new")):
        refused(crowd, post, "anna")
    flusher = create_flusher(stores)
    assert flusher._try_flush() == 0
    for server in servers.postgres:
        server.start()
    wait_for(lambda: stores.like_store.check() == [])
    crowd.ask_again()
    crowd.assert_exact()


def test_counts_are_approximate_where_only_postgres_knows_the_actor(
    servers: Servers, stores: Stores, crowd: Crowd
) -> None:
    post = HERE[0]
    actors = [f"actor-{at}" for at in range(300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda actor: crowd.like(post, actor), actors))
    drain(stores)
    with client(primary_of(stores, 0)) as node:
        node.delete(*(stores.shard_client.key(0, f"{kind}:{post}") for kind in "clu"))
    assert crowd.likes.state(post, actors[0]).count == 300
    for server in servers.postgres:
        server.kill()
    known = crowd.likes.state(post, actors[0])
    assert (known.liked, known.count, known.approximate) == (True, 300, False)
    new = crowd.like(post, "anna")
    assert (new.count, new.approximate) == (301, True)
    counted_twice = crowd.like(post, actors[1])
    assert (counted_twice.count, counted_twice.approximate) == (302, True)
    kept = crowd.unlike(post, actors[2])
    assert (kept.liked, kept.count, kept.approximate) == (False, 302, True)
    asked = crowd.likes.state(post, actors[3])
    assert (asked.count, asked.approximate) == (302, True)
    for server in servers.postgres:
        server.start()
    wait_for(lambda: stores.like_store.check() == [])
    crowd.assert_exact()
    assert len(crowd.expected[post]) == 300


def test_one_database_away_leaves_the_shards_of_the_other_alone(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(HERE + THERE, ["anna"])
    drain(stores)
    servers.postgres[0].kill()
    crowd.like_all(HERE + THERE, ["ben"])
    fresh = [post_in(shard, SHARDS, "new") for shard in range(HALF, SHARDS)]
    crowd.like_all(fresh, ["cleo"])
    refused(crowd, post_in(0, SHARDS, "new"), "cleo")
    flusher = create_flusher(stores)
    wait_for(lambda: flusher._try_flush() == 0 and rest_is_flushed(stores))
    flusher.drain()
    assert sum(polled.length for polled in stores.queue.poll("", 0)) == len(HERE)
    servers.postgres[0].start()
    wait_for(lambda: stores.like_store.check() == [])
    found = rows(stores)
    assert all(found[post] == crowd.expected[post] for post in THERE + fresh)
    assert all(found[post] == {"anna"} for post in HERE)
    crowd.ask_again()
    crowd.assert_exact()


@contextmanager
def hanging(server: PostgresServer) -> Iterator[None]:
    """The server and its backends stand still: connections stay up, and nobody answers."""
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


def test_a_hanging_database_leaves_the_shards_of_the_other_alone(
    servers: Servers, stores: Stores, crowd: Crowd
) -> None:
    crowd.like_all(HERE + THERE, ["anna"])
    drain(stores)
    flusher = create_flusher(stores)
    with hanging(servers.postgres[0]):
        crowd.like_all(HERE + THERE, ["ben"])
        for _ in range(2):
            refused(crowd, post_in(0, SHARDS, "new"), "anna")
        crowd.like_all([post_in(HALF, SHARDS, "new")], ["anna"])
        wait_for(lambda: flusher._try_flush() == 0 and rest_is_flushed(stores))
        flusher.drain()
    wait_for(lambda: stores.like_store.check() == [])
    crowd.ask_again()
    crowd.assert_exact()


def rest_is_flushed(stores: Stores) -> bool:
    """Whether the shards of the second database hold nothing pending."""
    return all(polled.length == 0 for polled in stores.queue.poll("", 0) if polled.shard >= HALF)


def test_a_new_life_waits_for_its_database_only(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(HERE + THERE, ["anna"])
    drain(stores)
    servers.postgres[0].kill()
    for port in {primary_of(stores, shard) for shard in range(SHARDS)}:
        with client(port) as node:
            node.flushall()
    for post in HERE[:2]:
        refused(crowd, post, "ben")
    for post in THERE:
        assert crowd.like(post, "ben").count == 2
    servers.postgres[0].start()
    wait_for(lambda: stores.like_store.check() == [])
    crowd.ask_again()
    crowd.assert_exact()
