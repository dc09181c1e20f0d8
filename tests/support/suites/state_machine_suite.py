"""Random likes, unlikes and faults on real servers, compared with a plain set by Hypothesis."""

import contextlib
import os
import threading
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, create_likes
from service.core.flusher import Flusher
from service.core.verify import verify
from service.sharding import shard_of
from service.storage.cache_fill import Query
from tests.support.stack.concurrent_load import drain

POSTS = st.sampled_from(["p", "q"])
ACTORS = st.sampled_from(["anna", "ben", "cleo", "dora"])


def empty(stores: Stores) -> None:
    stores.shard_client.cluster.refresh()
    for node in stores.shard_client.cluster.primaries():
        with redis.Redis(*node.address) as client:
            client.flushall()


class LikesMachine(RuleBasedStateMachine):
    """Likes, unlikes and faults. `expected` is the set of (post, actor) with a like."""

    stores: Stores
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.prefix = f"run-{os.getpid()}-{self.runs}-"
        self.likes = create_likes(self.stores)
        self.flusher = create_flusher(self.stores)
        self.expected: set[tuple[str, str]] = set()

    def count(self, post: str) -> int:
        return sum(1 for one, _ in self.expected if one == post)

    def shard(self, post: str) -> int:
        return shard_of(self.prefix + post, self.stores.settings.shards)

    def redis(self, post: str, *command: Any) -> Any:
        return self.stores.shard_client.node(self.shard(post)).call([command])[0]

    @rule(post=POSTS, actor=ACTORS)
    def like(self, post: str, actor: str) -> None:
        answer = self.likes.like(self.prefix + post, actor)
        assert answer.changed == ((post, actor) not in self.expected)
        self.expected.add((post, actor))
        assert (answer.liked, answer.count) == (True, self.count(post))

    @rule(post=POSTS, actor=ACTORS)
    def unlike(self, post: str, actor: str) -> None:
        answer = self.likes.unlike(self.prefix + post, actor)
        assert answer.changed == ((post, actor) in self.expected)
        self.expected.discard((post, actor))
        assert (answer.liked, answer.count) == (False, self.count(post))

    @rule(post=POSTS, actor=ACTORS, last=st.booleans())
    def toggle(self, post: str, actor: str, last: bool) -> None:
        for request in (not last, last, not last, last):
            (self.likes.like if request else self.likes.unlike)(self.prefix + post, actor)
        (self.expected.add if last else self.expected.discard)((post, actor))

    @rule(post=POSTS, actor=ACTORS, taps=st.integers(2, 6))
    def like_at_once(self, post: str, actor: str, taps: int) -> None:
        answers: list[bool] = []
        barrier = threading.Barrier(taps)

        def tap() -> None:
            barrier.wait()
            answers.append(self.likes.like(self.prefix + post, actor).changed)

        threads = [threading.Thread(target=tap) for _ in range(taps)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(answers) == ((post, actor) not in self.expected)
        self.expected.add((post, actor))

    @rule()
    def flush(self) -> None:
        self.flusher.flush_once()

    @rule()
    def flusher_dies_before_its_acknowledgement(self) -> None:
        class Died(Exception):  # noqa: N818
            pass

        class Dying(type(self.stores.queue)):  # type: ignore[misc]
            def acknowledge(self, *_: object, **__: object) -> bool:
                raise Died

        queue = Dying(self.stores.shard_client, range(self.stores.settings.shards), 60)
        dying = Flusher(
            queue=queue, store=self.stores.like_store, settings=self.stores.settings, owner=self.flusher.owner
        )
        with contextlib.suppress(Died):
            dying.flush_once()

    @rule(post=POSTS, kind=st.sampled_from("clu"))
    def evict(self, post: str, kind: str) -> None:
        key = self.stores.shard_client.key(self.shard(post), f"{kind}:{self.prefix}{post}")
        # volatile-lru evicts only keys with a TTL.
        if self.redis(post, "TTL", key) > 0:
            self.redis(post, "DEL", key)

    @rule(post=POSTS)
    def start_another_epoch(self, post: str) -> None:
        key = self.stores.shard_client.key(self.shard(post))
        self.redis(post, "HDEL", key, "name")

    @rule()
    def redis_loses_everything(self) -> None:
        """Empty Redis: pending likes are lost, and the state is that of Postgres again."""
        empty(self.stores)
        self.expected = {
            (post, actor)
            for post in "pq"
            for actor in ("anna", "ben", "cleo", "dora")
            if self.stores.like_store.load([Query(self.shard(post), self.prefix + post, actor)])[0].liked
        }

    @rule()
    def flush_and_empty_redis(self) -> None:
        drain(self.stores)
        empty(self.stores)

    @rule(post=POSTS, actor=ACTORS)
    def read_state(self, post: str, actor: str) -> None:
        answer = self.likes.state(self.prefix + post, actor)
        assert (answer.liked, answer.count) == ((post, actor) in self.expected, self.count(post))

    @invariant()
    def counts_match(self) -> None:
        for state, post in zip(self.stores.counter.states([self.prefix + "p", self.prefix + "q"]), "pq", strict=True):
            assert state.count == self.count(post)

    def teardown(self) -> None:
        self.stores.queue.poll(self.flusher.owner, 0)
        drain(self.stores)
        for post in "pq":
            counts = self.stores.like_store.all_counts(self.shard(post))
            assert counts.get(self.prefix + post, (0, 0))[0] == self.count(post)
        report = verify(self.stores.queue, self.stores.like_store, self.stores.settings.shards)
        assert report.problems == []


@pytest.mark.timeout(300)
def test_likes_behave_as_a_set(stores: Stores) -> None:
    LikesMachine.stores = stores
    run_state_machine_as_test(
        LikesMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
