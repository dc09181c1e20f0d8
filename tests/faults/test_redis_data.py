"""Redis loses data: everything, single keys of acknowledged posts, its functions, or the time."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from service.bootstrap.stores import Stores
from service.core.likes import LikeState
from service.errors import QueueFullError
from service.sharding import shard_of
from tests.support.stack.concurrent_load import TrackedLikes, drain
from tests.support.stack.faults import client, post_in, primaries, primary_of
from tests.support.stack.servers import SHARDS, Servers

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
HOUR_US = 3_600_000_000


def flush_all(stores: Stores) -> None:
    for port in primaries(stores):
        with client(port) as node:
            node.flushall()


def test_an_emptied_redis_shows_what_is_in_postgres(stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like_all(POSTS, ["anna", "ben", "cleo"])
    for post in POSTS[::2]:
        tracked.unlike(post, "anna")
    drain(stores)
    flush_all(stores)
    tracked.assert_reads_match()
    flush_all(stores)
    for post in POSTS:
        assert tracked.like(post, "dora").changed is True
        assert tracked.like(post, "ben").changed is False
        assert tracked.unlike(post, "cleo").changed is True
    tracked.assert_consistent()


def test_an_emptied_redis_loses_pending_likes_and_nothing_else(stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like_all(POSTS, ["anna"])
    drain(stores)
    tracked.like_all(POSTS, ["ben"])
    for post in POSTS:
        tracked.unlike(post, "anna")
    flush_all(stores)
    for post in POSTS:
        tracked.expected[post] = {"anna"}
    tracked.assert_reads_match()
    tracked.like_all(POSTS, ["ben"])
    tracked.assert_consistent()


@pytest.mark.parametrize("many", [False, True], ids=["few likers", "too many likers to load"])
@pytest.mark.parametrize("kinds", ["c", "l", "u", "cl", "lu", "cu"])
def test_an_acknowledged_post_may_lose_any_key(stores: Stores, tracked: TrackedLikes, kinds: str, many: bool) -> None:
    post = POSTS[0]
    if many:
        like_and_evict_many(stores, tracked, post)
    tracked.like_all([post], ["anna", "ben"])
    tracked.unlike(post, "ben")
    drain(stores)
    with client(primary_of(stores, 0)) as node:
        for kind in kinds:
            node.delete(stores.shard_client.key(0, f"{kind}:{post}"))
    tracked.assert_reads_match()
    assert tracked.likes.state(post, "ben").liked is False
    assert tracked.like(post, "anna").changed is False
    assert tracked.like(post, "ben").changed is True
    assert tracked.unlike(post, "anna").changed is True
    tracked.assert_consistent()


def like_and_evict_many(stores: Stores, tracked: TrackedLikes, post: str) -> None:
    """Store more likes than are loaded with a post. Redis then knows only the actors of later requests."""
    shard = shard_of(post, SHARDS)
    actors = [f"actor-{at}" for at in range(300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda actor: tracked.like(post, actor), actors))
    drain(stores)
    with client(primary_of(stores, shard)) as node:
        node.delete(*(stores.shard_client.key(shard, f"{kind}:{post}") for kind in "clu"))


def submit_with_retry(tracked: TrackedLikes, post: str, actor: str, liked: bool) -> LikeState:
    """Submit a request; if Redis is full, flush and submit it again."""
    try:
        return tracked.submit(post, actor, liked)
    except QueueFullError:
        drain(tracked.stores)
        return tracked.submit(post, actor, liked)


def test_evicted_posts_are_loaded_unchanged(stores: Stores, tracked: TrackedLikes) -> None:
    posts = [f"many-{at:0150}" for at in range(2_000)]

    def like(post: str) -> None:
        for actor, liked in (("anna", True), ("ben", True), ("ben", False)):
            with suppress(QueueFullError):
                tracked.submit(post, actor, liked)

    nodes = [client(port) for port in primaries(stores)]
    with ThreadPoolExecutor(16) as pool:
        for at in range(0, len(posts), 400):
            list(pool.map(like, posts[at : at + 400]))
            drain(stores)
            # After the first part, leave room for as much again.
            for node in nodes if at == 0 else []:
                node.config_set("maxmemory", node.info("memory")["used_memory"] + 150_000)
    evicted = [node.info("stats")["evicted_keys"] for node in nodes]
    for post, actor in list(tracked.unacknowledged):
        submit_with_retry(tracked, post, actor, tracked.unacknowledged[post, actor])
    for post in posts[::5]:
        assert submit_with_retry(tracked, post, "anna", True).changed is False
        assert submit_with_retry(tracked, post, "cleo", True).changed is True
        assert tracked.likes.state(post, "ben").liked is False
    for node in nodes:
        node.config_set("maxmemory", 0)
        node.close()
    assert min(evicted) > 100, evicted
    tracked.assert_consistent()


def test_functions_are_loaded_again(stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like_all(POSTS, ["anna"])
    for actor in ("ben", "cleo"):
        for port in primaries(stores):
            with client(port) as node:
                node.execute_command("FUNCTION", "FLUSH")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda post, actor=actor: tracked.like(post, actor), POSTS))
    for port in primaries(stores):
        with client(port) as node:
            node.execute_command("FUNCTION", "FLUSH")
    tracked.assert_consistent()


@pytest.mark.parametrize("emptied", [False, True], ids=["redis keeps the header", "redis is emptied"])
def test_versions_grow_after_the_clock_was_ahead(
    servers: Servers, stores: Stores, tracked: TrackedLikes, emptied: bool
) -> None:
    post, ahead = POSTS[0], time.time_ns() // 1000 + HOUR_US
    tracked.like(post, "anna")
    header = stores.shard_client.key(0)
    with client(primary_of(stores, 0)) as node:
        node.hset(header, "ver", ahead)
        first = tracked.like(post, "ben").as_of_us
        assert first > ahead
        tracked.unlike(post, "anna")
        drain(stores)
        if emptied:
            node.flushall()
        assert tracked.unlike(post, "ben").changed is True
        assert tracked.like(post, "anna").changed is True
        last = tracked.unlike(post, "anna").as_of_us
        assert last > first
        assert int(node.hget(header, "ver") or 0) == last
    tracked.like(post, "cleo")
    tracked.assert_consistent()
    with psycopg.connect(servers.postgres[0].url, autocommit=True) as connection:
        stored = connection.execute("SELECT ver FROM shards WHERE shard = 0").fetchone()
    assert stored is not None
    assert stored[0] > last
