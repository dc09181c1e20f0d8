"""Redis is full: new wishes are refused, questions are answered, and the flusher makes room."""

from collections.abc import Iterator

import pytest

from service.bootstrap.stores import open_stores
from service.errors import QueueFullError
from tests.support.concurrent_load import Crowd, drain
from tests.support.faults import client, post_in, primaries, primary_of
from tests.support.servers import SHARDS, Servers

POST = post_in(0, SHARDS)


def like_until_full(crowd: Crowd, post: str = POST, most: int = 5_000) -> int:
    """How many likes were taken until one was refused."""
    for at in range(most):
        try:
            crowd.like(post, f"actor-{at:0180}")
        except QueueFullError:
            return at
    raise AssertionError("Redis took them all")


def limit_memory(limits: dict[int, int]) -> None:
    for port, limit in limits.items():
        with client(port) as node:
            node.config_set("maxmemory", limit)


@pytest.fixture
def bounded(servers: Servers) -> Iterator[Crowd]:
    """People whose likes a node may hold 5,000 bytes of."""
    with open_stores(servers.with_settings(queue_bytes=5_000, count_cache_ms=0)) as opened:
        yield Crowd(opened)


def assert_only_questions_are_answered(crowd: Crowd, taken: int) -> None:
    liker = f"actor-{0:0180}"
    assert crowd.likes.state(POST, liker).liked is True
    assert crowd.likes.state(POST, "a-stranger").count == taken
    assert [state.count for state in crowd.likes.counts([POST, "no-such-post"])] == [taken, 0]
    with pytest.raises(QueueFullError):
        crowd.unlike(POST, liker)
    with pytest.raises(QueueFullError):
        crowd.like(POST, "one-more")


def test_the_queue_is_bounded_in_bytes(bounded: Crowd) -> None:
    taken = like_until_full(bounded)
    assert 10 < taken < 40
    assert_only_questions_are_answered(bounded, taken)
    assert bounded.like(POST, f"actor-{0:0180}").changed is False  # nothing to queue
    bounded.unsure.pop((POST, f"actor-{0:0180}"), None)
    elsewhere = next(s for s in range(SHARDS) if primary_of(bounded.stores, s) != primary_of(bounded.stores, 0))
    assert bounded.like(post_in(elsewhere, SHARDS), "anna").changed is True
    drain(bounded.stores)
    bounded.ask_again()
    assert bounded.unlike(POST, f"actor-{0:0180}").changed is True
    assert like_until_full(bounded, post_in(0, SHARDS, "next")) > 10
    drain(bounded.stores)
    bounded.ask_again()
    bounded.assert_exact()


def test_a_node_out_of_memory_drains(servers: Servers) -> None:
    with open_stores(servers.with_settings(count_cache_ms=0)) as stores:
        crowd = Crowd(stores)
        crowd.like(POST, "anna")
        drain(stores)
        limits = {}
        for port in primaries(stores):
            with client(port) as node:
                limits[port] = node.info("memory")["used_memory"] + 150_000
                node.config_set("maxmemory", limits[port])
        taken = like_until_full(crowd)
        assert taken > 20
        limit_memory(dict.fromkeys(limits, 1))  # at the limit itself a few bytes come and go with sockets' buffers
        assert_only_questions_are_answered(crowd, taken + 1)
        limit_memory(limits)
        drain(stores)
        crowd.ask_again()
        assert crowd.like(POST, "ben").changed is True
        limit_memory(dict.fromkeys(limits, 1))
        crowd.assert_shown()  # nothing fits at all: still every question is answered
        with pytest.raises(QueueFullError):
            crowd.like(POST, "cleo")
        drain(stores)
        limit_memory(dict.fromkeys(limits, 0))
        crowd.ask_again()
        crowd.assert_exact()
