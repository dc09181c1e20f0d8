"""Flushers die between any two steps, overlap and are fenced off: nothing is lost, nothing is stored twice."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, open_stores
from service.core.flusher import Flusher
from service.core.queue import Batch, CommitResult, ShardStatus
from tests.support.concurrent_load import Crowd, drain, is_drained, rows
from tests.support.faults import post_in
from tests.support.processes import environment, flusher, running
from tests.support.servers import SHARDS, Servers
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]


@contextmanager
def storm(crowd: Crowd, seed: int = 7) -> Iterator[Callable[[], int]]:
    """Four people who like and unlike all the time, each with actors of their own; how many wishes so far."""
    stop, done = threading.Event(), [0, 0, 0, 0]

    def go(who: int) -> None:
        chance = random.Random(seed + who)
        while not stop.is_set():
            crowd.submit(chance.choice(POSTS), f"actor-{who}-{chance.randrange(9)}", chance.random() < 0.6)
            done[who] += 1

    with ThreadPoolExecutor(4) as pool:
        people = [pool.submit(go, who) for who in range(4)]
        try:
            yield lambda: sum(done)
        finally:
            stop.set()
            for one in people:
                one.result()


def stored(stores: Stores) -> int:
    return sum(len(actors) for actors in rows(stores).values())


def test_a_flusher_killed_under_load_is_replaced(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    with storm(crowd) as requests:
        for _ in range(2):
            before = stored(stores)
            with flusher(servers):
                wait_for(lambda before=before: stored(stores) > before)
                so_far = requests()
                wait_for(lambda so_far=so_far: requests() > so_far + 50)
    with flusher(servers):  # takes over the leases of the dead
        wait_for(lambda: is_drained(stores))
    crowd.assert_exact()


def test_a_flusher_that_dies_between_commit_and_settle(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    crowd.like_all(POSTS, ["anna", "ben", "cleo"])
    die = (
        "import os; from service.storage.redis.stream_queue import RedisStreamQueue; "
        "RedisStreamQueue.settle = lambda *a, **k: os._exit(9); "
    )
    with running(environment(servers), "-c", die + "from service.cli import main; main(['flusher'])") as process:
        assert process.wait(20) == 9
    assert stored(stores) > 0  # committed, and yet
    assert sum(polled.length for polled in stores.queue.poll("", 0)) == 3 * len(POSTS)  # not settled
    crowd.assert_shown()
    for post in POSTS:
        crowd.unlike(post, "anna")
        crowd.like(post, "dora")
    with flusher(servers):
        wait_for(lambda: is_drained(stores))
    crowd.assert_exact()


class Careless:
    """A queue that believes it holds every lease; between commit and settle it takes its time."""

    def __init__(self, stores: Stores, seed: int) -> None:
        self._queue = stores.queue
        self._chance = random.Random(seed)
        self.read, self.read_through, self.dead_letter = (
            stores.queue.read,
            stores.queue.read_through,
            stores.queue.dead_letter,
        )
        self.end_epoch, self.shards = stores.queue.end_epoch, stores.queue.shards

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        return [replace(polled, held=True) for polled in self._queue.poll(owner, lease_ms, shards)]

    def acknowledge(self, done: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        acknowledged = []
        for one in done:
            threading.Event().wait(self._chance.random() / 200)  # the other flusher goes in between
            acknowledged += self._queue.acknowledge([one])
        return acknowledged


def test_two_flushers_without_leases(servers: Servers, crowd: Crowd) -> None:
    stop = threading.Event()

    def flush(batch: int) -> int:
        with open_stores(servers.with_settings(flush_batch=batch)) as own:
            careless = Flusher(Careless(own, batch), own.like_store, own.settings, owner=f"careless-{batch}")
            done = 0
            while not stop.is_set():
                done += careless.flush_once()
            return done

    with ThreadPoolExecutor(2) as pool:
        flushers = [pool.submit(flush, batch) for batch in (3, 11)]
        with storm(crowd) as requests:
            wait_for(lambda: requests() > 2_500, 30)
        stop.set()
        assert all(one.result() > 0 for one in flushers)
    crowd.assert_exact()


def test_a_flusher_that_is_late_by_a_whole_batch(stores: Stores, crowd: Crowd) -> None:
    """It settles what it committed long ago, after another has stored more."""
    flusher = create_flusher(stores)
    crowd.like_all(POSTS, ["anna", "ben"])
    polled = [one for one in stores.queue.poll(flusher.owner, 60_000) if one.length]
    late = []
    for batch in stores.queue.read(polled, 1):
        committed = stores.like_store.commit([batch])[0]
        assert isinstance(committed, CommitResult)
        late.append((batch, committed))
    for post in POSTS:
        crowd.unlike(post, "anna")
    stores.queue.poll(flusher.owner, 0)
    drain(stores)
    crowd.like_all(POSTS, ["anna"])
    assert stores.queue.acknowledge(late) == [False] * len(POSTS)
    crowd.assert_exact()


def epochs(servers: Servers) -> dict[int, int]:
    found: dict[int, int] = {}
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            found |= dict(connection.execute("SELECT shard, epoch FROM shards WHERE epoch > 0").fetchall())
    return found


@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged before", "all pending"])
def test_a_life_fenced_off_is_renewed(servers: Servers, stores: Stores, crowd: Crowd, acknowledged: bool) -> None:
    crowd.like_all(POSTS, ["anna", "ben"])
    if acknowledged:
        drain(stores)
    before = epochs(servers)
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("UPDATE shards SET epoch = epoch + 1, name = 'elsewhere'")
    crowd.like_all(POSTS, ["cleo"])
    for post in POSTS:
        crowd.unlike(post, "anna")
    flusher = create_flusher(stores)
    assert flusher.flush_once() == 0
    assert stored(stores) == (2 * len(POSTS) if acknowledged else 0)  # nothing of a life that is over
    flusher.drain()
    crowd.assert_exact()
    assert all(epoch == before[shard] + 2 for shard, epoch in epochs(servers).items())
