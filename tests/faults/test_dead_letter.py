"""A like that Postgres refuses becomes a dead letter with its reason. All other likes are stored."""

import pytest

from service.bootstrap.stores import Stores
from service.core.likes import LikeRequest
from service.storage.redis.stream_queue import RedisStreamQueue
from tests.support.stack.concurrent_load import TrackedLikes, drain, rows, verified
from tests.support.stack.faults import client, post_in, primary_of
from tests.support.stack.servers import SHARDS

POST = post_in(0, SHARDS)
OTHER = post_in(0, SHARDS, "other")
BAD = "a\0b"


def dead_letters(stores: Stores) -> list[dict[bytes, bytes]]:
    with client(primary_of(stores, 0)) as node:
        return [dict(fields) for _, fields in node.xrange(stores.shard_client.key(0, "dead"))]


def submit_bad_like(stores: Stores, post: str) -> None:
    """Submit a like that the counter accepts and Postgres refuses. It bypasses the validation of ids."""
    assert stores.counter.submit(LikeRequest(post, BAD, True), "memory").changed


@pytest.mark.parametrize("likes_between", [0, 1, 20])
def test_other_likes_are_stored_and_counts_are_right(stores: Stores, tracked: TrackedLikes, likes_between: int) -> None:
    tracked.like_all([POST, OTHER], ["anna", "ben"])
    submit_bad_like(stores, POST)
    tracked.like_all([POST, OTHER], [f"actor-{at}" for at in range(likes_between)])
    submit_bad_like(stores, OTHER)
    tracked.unlike(POST, "ben")
    tracked.like(OTHER, "cleo")
    drain(stores)
    assert rows(stores) == tracked.expected
    tracked.assert_reads_match()
    report = verified(stores)
    assert report.problems == ["2 likes were refused by Postgres and wait in dead-letter streams"]
    letters = dead_letters(stores)
    assert [(one[b"post"].decode(), one[b"actor"].decode(), one[b"op"]) for one in letters] == [
        (POST, BAD, b"+"),
        (OTHER, BAD, b"+"),
    ]
    assert all(b"0x00" in one[b"reason"] for one in letters)
    tracked.like_all([POST, OTHER], ["dora"])
    drain(stores)
    assert rows(stores) == tracked.expected
    tracked.assert_reads_match()


def test_an_invalid_entry_in_the_stream_becomes_a_dead_letter(stores: Stores, tracked: TrackedLikes) -> None:
    tracked.like(POST, "anna")
    header = stores.shard_client.key(0)
    with client(primary_of(stores, 0)) as node:
        version = int(node.hget(header, "ver") or 0) + 1
        node.hset(header, "ver", version)
        fields = {"post": "never-liked", "actor": b"\xff\x00", "op": "+", "weight": "1"}
        node.xadd(stores.shard_client.key(0, "q"), fields, id=f"{version}-0")
    drain(stores)
    tracked.like(POST, "ben")
    drain(stores)
    assert rows(stores) == tracked.expected
    tracked.assert_reads_match()
    assert len(dead_letters(stores)) == 1
    assert verified(stores).dead_letters == 1


def test_a_dead_letter_can_be_liked_again(stores: Stores, tracked: TrackedLikes) -> None:
    """Delete a dead letter, and make the like again with a valid id, as a later release would."""
    tracked.like(POST, "anna")
    submit_bad_like(stores, POST)
    drain(stores)
    assert isinstance(stores.queue, RedisStreamQueue)
    with client(primary_of(stores, 0)) as node:
        node.delete(stores.shard_client.key(0, "dead"))
    tracked.like(POST, "ab")
    tracked.assert_consistent()
