"""Redis forgets: everything, settled posts one key at a time or by eviction, its functions, or the time."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from service.bootstrap.stores import Stores
from service.core.likes import LikeState
from service.errors import QueueFullError
from service.sharding import shard_of
from tests.support.concurrent_load import Crowd, drain
from tests.support.faults import client, post_in, primaries, primary_of
from tests.support.servers import SHARDS, Servers

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
HOUR_US = 3_600_000_000


def flush_all(stores: Stores) -> None:
    for port in primaries(stores):
        with client(port) as node:
            node.flushall()


def test_a_wiped_redis_shows_what_is_in_postgres(stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(POSTS, ["anna", "ben", "cleo"])
    for post in POSTS[::2]:
        crowd.unlike(post, "anna")
    drain(stores)
    flush_all(stores)
    crowd.assert_shown()
    flush_all(stores)
    for post in POSTS:
        assert crowd.like(post, "dora").changed is True
        assert crowd.like(post, "ben").changed is False
        assert crowd.unlike(post, "cleo").changed is True
    crowd.assert_exact()


def test_what_was_pending_in_a_wiped_redis_is_lost_and_nothing_else(stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(POSTS, ["anna"])
    drain(stores)
    crowd.like_all(POSTS, ["ben"])
    for post in POSTS:
        crowd.unlike(post, "anna")
    flush_all(stores)
    for post in POSTS:
        crowd.expected[post] = {"anna"}
    crowd.assert_shown()
    crowd.like_all(POSTS, ["ben"])
    crowd.assert_exact()


@pytest.mark.parametrize("many", [False, True], ids=["loaded whole", "too many to load"])
@pytest.mark.parametrize("kinds", ["c", "l", "u", "cl", "lu", "cu"])
def test_a_settled_post_may_lose_any_key(stores: Stores, crowd: Crowd, kinds: str, many: bool) -> None:
    post = POSTS[0]
    if many:
        acknowledge_many(stores, crowd, post)
    crowd.like_all([post], ["anna", "ben"])
    crowd.unlike(post, "ben")
    drain(stores)
    with client(primary_of(stores, 0)) as node:
        for kind in kinds:
            node.delete(stores.shard_client.key(0, f"{kind}:{post}"))
    crowd.assert_shown()
    assert crowd.likes.state(post, "ben").liked is False
    assert crowd.like(post, "anna").changed is False
    assert crowd.like(post, "ben").changed is True
    assert crowd.unlike(post, "anna").changed is True
    crowd.assert_exact()


def acknowledge_many(stores: Stores, crowd: Crowd, post: str) -> None:
    """More likes than are loaded with a post, so that Redis knows only the actors it has met since."""
    shard = shard_of(post, SHARDS)
    actors = [f"actor-{at}" for at in range(300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda actor: crowd.like(post, actor), actors))
    drain(stores)
    with client(primary_of(stores, shard)) as node:
        node.delete(*(stores.shard_client.key(shard, f"{kind}:{post}") for kind in "clu"))


def patiently(crowd: Crowd, post: str, actor: str, liked: bool) -> LikeState:
    """A wish that waits for the flusher where Redis is full."""
    try:
        return crowd.submit(post, actor, liked)
    except QueueFullError:
        drain(crowd.stores)
        return crowd.submit(post, actor, liked)


def test_evicted_posts_come_back_as_they_were(stores: Stores, crowd: Crowd) -> None:
    posts = [f"many-{at:0150}" for at in range(2_000)]

    def like(post: str) -> None:
        for actor, liked in (("anna", True), ("ben", True), ("ben", False)):
            with suppress(QueueFullError):
                crowd.submit(post, actor, liked)

    nodes = [client(port) for port in primaries(stores)]
    with ThreadPoolExecutor(16) as pool:
        for at in range(0, len(posts), 400):
            list(pool.map(like, posts[at : at + 400]))
            drain(stores)
            for node in nodes if at == 0 else []:  # from here on there is room for as much once more
                node.config_set("maxmemory", node.info("memory")["used_memory"] + 150_000)
    evicted = [node.info("stats")["evicted_keys"] for node in nodes]
    for post, actor in list(crowd.unsure):
        patiently(crowd, post, actor, crowd.unsure[post, actor])
    for post in posts[::5]:
        assert patiently(crowd, post, "anna", True).changed is False
        assert patiently(crowd, post, "cleo", True).changed is True
        assert crowd.likes.state(post, "ben").liked is False
    for node in nodes:
        node.config_set("maxmemory", 0)
        node.close()
    assert min(evicted) > 100, evicted
    crowd.assert_exact()


def test_functions_are_loaded_again(stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(POSTS, ["anna"])
    for actor in ("ben", "cleo"):
        for port in primaries(stores):
            with client(port) as node:
                node.execute_command("FUNCTION", "FLUSH")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda post, actor=actor: crowd.like(post, actor), POSTS))
    for port in primaries(stores):
        with client(port) as node:
            node.execute_command("FUNCTION", "FLUSH")
    crowd.assert_exact()


@pytest.mark.parametrize("wiped", [False, True], ids=["redis keeps the header", "redis is wiped"])
def test_versions_grow_though_the_clock_was_ahead(servers: Servers, stores: Stores, crowd: Crowd, wiped: bool) -> None:
    post, ahead = POSTS[0], time.time_ns() // 1000 + HOUR_US
    crowd.like(post, "anna")
    header = stores.shard_client.key(0)
    with client(primary_of(stores, 0)) as node:
        node.hset(header, "ver", ahead)
        first = crowd.like(post, "ben").as_of_us
        assert first > ahead
        crowd.unlike(post, "anna")
        drain(stores)
        if wiped:
            node.flushall()
        assert crowd.unlike(post, "ben").changed is True
        assert crowd.like(post, "anna").changed is True
        last = crowd.unlike(post, "anna").as_of_us
        assert last > first
        assert int(node.hget(header, "ver") or 0) == last
    crowd.like(post, "cleo")
    crowd.assert_exact()
    with psycopg.connect(servers.postgres[0].url, autocommit=True) as connection:
        stored = connection.execute("SELECT ver FROM shards WHERE shard = 0").fetchone()
    assert stored is not None
    assert stored[0] > last
