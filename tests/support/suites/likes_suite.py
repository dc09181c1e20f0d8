"""Likes on real servers: counted once, shown at once, and stored in Postgres soon."""

import threading

import pytest
import redis

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, create_likes
from service.sharding import shard_of
from tests.support.stack.concurrent_load import drain


def rows(stores: Stores, post: str) -> int:
    shard = shard_of(post, stores.settings.shards)
    return stores.like_store.all_counts(shard).get(post, (0, 0))[0]


def test_a_like_counts_once_and_is_stored(stores: Stores) -> None:
    likes = create_likes(stores)
    first = likes.like("post", "anna")
    assert (first.liked, first.changed, first.count) == (True, True, 1)
    again = likes.like("post", "anna")
    assert (again.liked, again.changed, again.count) == (True, False, 1)
    assert likes.like("post", "ben").count == 2
    drain(stores)
    assert rows(stores, "post") == 2
    assert likes.unlike("post", "anna").count == 1
    assert likes.unlike("post", "anna").changed is False
    assert likes.state("post", "anna").liked is False
    drain(stores)
    assert rows(stores, "post") == 1
    assert likes.state("post", "ben").liked is True


def test_concurrent_requests_of_one_actor_count_once(stores: Stores) -> None:
    likes = create_likes(stores)
    barrier = threading.Barrier(32)
    changed = []

    def tap() -> None:
        barrier.wait()
        changed.append(likes.like("viral", "one-actor").changed)

    threads = [threading.Thread(target=tap) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False] * 31 + [True]
    assert likes.state("viral", "one-actor").count == 1


def test_likes_survive_an_emptied_redis(stores: Stores) -> None:
    likes = create_likes(stores)
    for actor in ("anna", "ben", "cleo"):
        likes.like("post", actor)
    drain(stores)
    for node in stores.shard_client.cluster.primaries():
        with redis.Redis(*node.address) as client:
            client.flushall()
    assert likes.state("post", "anna").count == 3
    assert likes.like("post", "ben").changed is False
    assert likes.like("post", "dora").count == 4
    drain(stores)
    assert rows(stores, "post") == 4


def test_a_count_starts_at_its_seed(stores: Stores) -> None:
    likes = create_likes(stores)
    likes.seed("old-post", 41)
    assert likes.like("old-post", "anna").count == 42
    likes.seed("old-post", 7)
    drain(stores)
    assert likes.state("old-post", "anna").count == 42


@pytest.mark.parametrize("ack", ["memory", "replicated", "postgres"])
def test_a_like_counts_once_with_each_acknowledgement(stores: Stores, ack: str) -> None:
    likes = create_likes(stores)
    likes._ack = ack
    flusher = create_flusher(stores)
    thread = threading.Thread(target=flusher.run)
    thread.start()
    try:
        for _ in range(2):
            assert likes.like("post", "anna").count == 1
            if ack == "postgres":
                assert rows(stores, "post") == 1
    finally:
        flusher.stop()
        thread.join()


def test_the_first_likes_of_a_shard_start_its_epoch_once(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failover, every like under way meets the new epoch at the same moment."""
    started = []
    acquire = stores.like_store.acquire_epoch
    monkeypatch.setattr(stores.like_store, "acquire_epoch", lambda *args: started.append(args) or acquire(*args))
    likes = create_likes(stores)
    barrier = threading.Barrier(64)

    def like(actor: str) -> None:
        barrier.wait()
        likes.like("post", actor)

    threads = [threading.Thread(target=like, args=[f"actor-{at}"]) for at in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert likes.counts(["post"])[0].count == 64
    assert len(started) == 1
