"""Redis is full. New likes are refused, reads are answered, and the flusher makes room."""

from collections.abc import Iterator

import pytest

from service.bootstrap.stores import open_stores
from service.errors import QueueFullError
from tests.support.stack.concurrent_load import TrackedLikes, drain
from tests.support.stack.faults import client, post_in, primaries, primary_of
from tests.support.stack.servers import SHARDS, Servers

POST = post_in(0, SHARDS)


def like_until_full(tracked: TrackedLikes, post: str = POST, limit: int = 5_000) -> int:
    """Like until a like is refused. Return the number of accepted likes."""
    for at in range(limit):
        try:
            tracked.like(post, f"actor-{at:0180}")
        except QueueFullError:
            return at
    raise AssertionError("Redis accepted all likes")


def limit_memory(limits: dict[int, int]) -> None:
    for port, limit in limits.items():
        with client(port) as node:
            node.config_set("maxmemory", limit)


@pytest.fixture
def queue_limited(servers: Servers) -> Iterator[TrackedLikes]:
    """Yield tracked likes with a limit of 5,000 bytes for the queue of a node."""
    with open_stores(servers.with_settings(queue_bytes=5_000, count_cache_ms=0)) as opened:
        yield TrackedLikes(opened)


def assert_only_reads_are_answered(tracked: TrackedLikes, taken: int) -> None:
    liker = f"actor-{0:0180}"
    assert tracked.likes.state(POST, liker).liked is True
    assert tracked.likes.state(POST, "a-stranger").count == taken
    assert [state.count for state in tracked.likes.counts([POST, "no-such-post"])] == [taken, 0]
    with pytest.raises(QueueFullError):
        tracked.unlike(POST, liker)
    with pytest.raises(QueueFullError):
        tracked.like(POST, "one-more")


def test_the_queue_is_bounded_in_bytes(queue_limited: TrackedLikes) -> None:
    taken = like_until_full(queue_limited)
    assert 10 < taken < 40
    assert_only_reads_are_answered(queue_limited, taken)
    assert queue_limited.like(POST, f"actor-{0:0180}").changed is False
    queue_limited.unacknowledged.pop((POST, f"actor-{0:0180}"), None)
    elsewhere = next(
        s for s in range(SHARDS) if primary_of(queue_limited.stores, s) != primary_of(queue_limited.stores, 0)
    )
    assert queue_limited.like(post_in(elsewhere, SHARDS), "anna").changed is True
    drain(queue_limited.stores)
    queue_limited.retry_unacknowledged()
    assert queue_limited.unlike(POST, f"actor-{0:0180}").changed is True
    assert like_until_full(queue_limited, post_in(0, SHARDS, "next")) > 10
    drain(queue_limited.stores)
    queue_limited.retry_unacknowledged()
    queue_limited.assert_consistent()


def test_a_node_out_of_memory_drains(servers: Servers) -> None:
    with open_stores(servers.with_settings(count_cache_ms=0)) as stores:
        tracked = TrackedLikes(stores)
        tracked.like(POST, "anna")
        drain(stores)
        limits = {}
        for port in primaries(stores):
            with client(port) as node:
                limits[port] = node.info("memory")["used_memory"] + 150_000
                node.config_set("maxmemory", limits[port])
        taken = like_until_full(tracked)
        assert taken > 20
        # Exactly at the limit, the size of socket buffers would decide the outcome.
        limit_memory(dict.fromkeys(limits, 1))
        assert_only_reads_are_answered(tracked, taken + 1)
        limit_memory(limits)
        drain(stores)
        tracked.retry_unacknowledged()
        assert tracked.like(POST, "ben").changed is True
        limit_memory(dict.fromkeys(limits, 1))
        # Nothing can be stored, but every read is answered.
        tracked.assert_reads_match()
        with pytest.raises(QueueFullError):
            tracked.like(POST, "cleo")
        drain(stores)
        limit_memory(dict.fromkeys(limits, 0))
        tracked.retry_unacknowledged()
        tracked.assert_consistent()
