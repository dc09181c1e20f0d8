"""A like that Postgres refuses: set aside with its reason, and everybody else's are stored."""

import pytest

from service.bootstrap.stores import Stores
from service.core.likes import LikeRequest
from service.storage.redis.stream_queue import RedisStreamQueue
from tests.support.concurrent_load import Crowd, drain, rows, verified
from tests.support.faults import client, post_in, primary_of
from tests.support.servers import SHARDS

POST = post_in(0, SHARDS)
OTHER = post_in(0, SHARDS, "other")
BAD = "a\0b"


def dead_letters(stores: Stores) -> list[dict[bytes, bytes]]:
    with client(primary_of(stores, 0)) as node:
        return [dict(fields) for _, fields in node.xrange(stores.shard_client.key(0, "dead"))]


def refused_like(stores: Stores, post: str) -> None:
    """A like that the counter takes, past the check of ids, and Postgres does not."""
    assert stores.counter.submit(LikeRequest(post, BAD, True), "memory").changed


@pytest.mark.parametrize("good_between", [0, 1, 20])
def test_others_are_stored_and_counts_are_right(stores: Stores, crowd: Crowd, good_between: int) -> None:
    crowd.like_all([POST, OTHER], ["anna", "ben"])
    refused_like(stores, POST)
    crowd.like_all([POST, OTHER], [f"actor-{at}" for at in range(good_between)])
    refused_like(stores, OTHER)
    crowd.unlike(POST, "ben")
    crowd.like(OTHER, "cleo")
    drain(stores)
    assert rows(stores) == crowd.expected
    crowd.assert_shown()
    report = verified(stores)
    assert report.problems == ["2 likes were refused by Postgres and wait in dead-letter streams"]
    dead = dead_letters(stores)
    assert [(one[b"post"].decode(), one[b"actor"].decode(), one[b"op"]) for one in dead] == [
        (POST, BAD, b"+"),
        (OTHER, BAD, b"+"),
    ]
    assert all(b"0x00" in one[b"reason"] for one in dead)
    crowd.like_all([POST, OTHER], ["dora"])
    drain(stores)
    assert rows(stores) == crowd.expected
    crowd.assert_shown()


def test_an_entry_written_past_the_functions(stores: Stores, crowd: Crowd) -> None:
    crowd.like(POST, "anna")
    header = stores.shard_client.key(0)
    with client(primary_of(stores, 0)) as node:
        version = int(node.hget(header, "ver") or 0) + 1
        node.hset(header, "ver", version)
        fields = {"post": "never-liked", "actor": b"\xff\x00", "op": "+", "weight": "1"}
        node.xadd(stores.shard_client.key(0, "q"), fields, id=f"{version}-0")
    drain(stores)
    crowd.like(POST, "ben")
    drain(stores)
    assert rows(stores) == crowd.expected
    crowd.assert_shown()
    assert len(dead_letters(stores)) == 1
    assert verified(stores).dead_letters == 1


def test_a_like_put_back_by_hand_counts(stores: Stores, crowd: Crowd) -> None:
    """Once a release can store it, the actor's like is simply made again."""
    crowd.like(POST, "anna")
    refused_like(stores, POST)
    drain(stores)
    assert isinstance(stores.queue, RedisStreamQueue)
    with client(primary_of(stores, 0)) as node:
        node.delete(stores.shard_client.key(0, "dead"))
    crowd.like(POST, "ab")
    crowd.assert_exact()
