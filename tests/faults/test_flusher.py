"""Flushers crash between any two steps, overlap, and are fenced off. No like is lost or stored twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, open_stores
from service.core.flusher import Flusher
from service.core.queue import CommitResult
from tests.support.stack.concurrent_load import TrackedLikes, concurrent_load, drain, is_drained, rows
from tests.support.stack.faults import post_in
from tests.support.stack.leaseless_queue import LeaselessQueue
from tests.support.stack.processes import environment, flusher, running
from tests.support.stack.servers import SHARDS, Servers
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]


def stored(stores: Stores) -> int:
    return sum(len(actors) for actors in rows(stores).values())


def test_a_flusher_killed_under_load_is_replaced(servers: Servers, stores: Stores, tracked: TrackedLikes) -> None:
    with concurrent_load(tracked, POSTS) as requests:
        for _ in range(2):
            before = stored(stores)
            with flusher(servers):
                wait_for(lambda before=before: stored(stores) > before)
                so_far = requests()
                wait_for(lambda so_far=so_far: requests() > so_far + 50)
    # This flusher takes over the leases of the killed ones.
    with flusher(servers):
        wait_for(lambda: is_drained(stores))
    tracked.assert_consistent()


def test_a_flusher_may_die_between_commit_and_acknowledgement(
    servers: Servers, stores: Stores, tracked: TrackedLikes
) -> None:
    tracked.like_all(POSTS, ["anna", "ben", "cleo"])
    die = (
        "import os; from service.storage.redis.stream_queue import RedisStreamQueue; "
        "RedisStreamQueue.acknowledge = lambda *a, **k: os._exit(9); "
    )
    with running(environment(servers), "-c", die + "from service.cli import main; main(['flusher'])") as process:
        assert process.wait(20) == 9
    # The entries are committed, but not acknowledged.
    assert stored(stores) > 0
    assert sum(status.length for status in stores.queue.poll("", 0)) == 3 * len(POSTS)
    tracked.assert_reads_match()
    for post in POSTS:
        tracked.unlike(post, "anna")
        tracked.like(post, "dora")
    with flusher(servers):
        wait_for(lambda: is_drained(stores))
    tracked.assert_consistent()


def test_two_flushers_without_leases_stay_consistent(servers: Servers, tracked: TrackedLikes) -> None:
    stop = threading.Event()

    def flush(batch: int) -> int:
        with open_stores(servers.with_settings(flush_batch=batch)) as own:
            leaseless = Flusher(LeaselessQueue(own, batch), own.like_store, own.settings, owner=f"leaseless-{batch}")
            done = 0
            while not stop.is_set():
                done += leaseless.flush_once()
            return done

    with ThreadPoolExecutor(2) as pool:
        flushers = [pool.submit(flush, batch) for batch in (3, 11)]
        with concurrent_load(tracked, POSTS) as requests:
            wait_for(lambda: requests() > 2_500, 30)
        stop.set()
        assert all(one.result() > 0 for one in flushers)
    tracked.assert_consistent()


def test_a_late_acknowledgement_of_an_old_batch_is_refused(stores: Stores, tracked: TrackedLikes) -> None:
    """A flusher acknowledges a batch after another flusher has stored more of the shard."""
    flusher = create_flusher(stores)
    tracked.like_all(POSTS, ["anna", "ben"])
    statuses = [status for status in stores.queue.poll(flusher.owner, 60_000) if status.length]
    late = []
    for batch in stores.queue.read(statuses, 1):
        committed = stores.like_store.commit([batch])[0]
        assert isinstance(committed, CommitResult)
        late.append((batch, committed))
    for post in POSTS:
        tracked.unlike(post, "anna")
    stores.queue.poll(flusher.owner, 0)
    drain(stores)
    tracked.like_all(POSTS, ["anna"])
    assert stores.queue.acknowledge(late) == [False] * len(POSTS)
    tracked.assert_consistent()


def epochs(servers: Servers) -> dict[int, int]:
    found: dict[int, int] = {}
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            found |= dict(connection.execute("SELECT shard, epoch FROM shards WHERE epoch > 0").fetchall())
    return found


@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged before", "all pending"])
def test_an_epoch_that_is_fenced_off_is_replaced(
    servers: Servers, stores: Stores, tracked: TrackedLikes, acknowledged: bool
) -> None:
    tracked.like_all(POSTS, ["anna", "ben"])
    if acknowledged:
        drain(stores)
    before = epochs(servers)
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("UPDATE shards SET epoch = epoch + 1, name = 'elsewhere'")
    tracked.like_all(POSTS, ["cleo"])
    for post in POSTS:
        tracked.unlike(post, "anna")
    flusher = create_flusher(stores)
    assert flusher.flush_once() == 0
    # No entry of an ended epoch is stored.
    assert stored(stores) == (2 * len(POSTS) if acknowledged else 0)
    flusher.drain()
    tracked.assert_consistent()
    assert all(epoch == before[shard] + 2 for shard, epoch in epochs(servers).items())
