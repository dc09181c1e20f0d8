"""Pods know of each other's hits after two rounds, and decide alone while the store is unavailable."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.observability.metrics import RATE_LIMIT_SYNC_FAILURES
from service.ratelimit.limiter import RateLimiter, RateLimitExceededError
from service.ratelimit.sync import BATCH, PeerSync
from tests.support.ratelimit_pods import NOON, Clock, FakeStore, allowed_hits, max_overshoot, pods_at, sync_all
from tests.support.waiting import wait_for

PODS = 4


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def pods(store, clock):
    return pods_at(store.clients(PODS), clock)


def running():
    return sum(thread.name == "rate-limit-sync" for thread in threading.enumerate())


@given(
    limit=st.integers(1, 30),
    ticks=st.lists(st.lists(st.integers(0, 12), min_size=PODS, max_size=PODS), min_size=1, max_size=12),
)
def test_spreading_hits_over_pods_gains_only_the_stated_overshoot(limit, ticks):
    crowd = pods_at(FakeStore().clients(PODS), Clock(), f"{limit}/minute")
    assert sum(allowed_hits(crowd, ticks)) <= limit + max_overshoot(ticks)


def test_after_two_rounds_every_pod_refuses(pods):
    # In the first round, the first pod reads before the others have published.
    assert list(allowed_hits(pods, [[4] * PODS] * 3)) == [16, 6, 0]
    assert [pod.hits(3) for pod in pods] == [0] * PODS


def test_the_second_round_reads_all_counts_without_another_hit(pods):
    assert list(allowed_hits(pods, [[4] * PODS, [0] * PODS, [4] * PODS])) == [16, 0, 0]


def test_other_pods_know_of_an_exhausted_limit_after_two_hits_and_a_round(pods):
    assert pods[0].hits(20) == 10
    sync_all(pods)
    assert [pod.hits(2) for pod in pods[1:]] == [2] * (PODS - 1)
    sync_all(pods)
    assert [pod.hits(2) for pod in pods] == [0] * PODS


def test_after_an_overshoot_the_error_says_how_long_to_wait(pods, clock):
    assert list(allowed_hits(pods, [[10] * PODS, [1] * PODS])) == [40, 0]
    with pytest.raises(RateLimitExceededError) as refused:
        pods[0].limiter.test("a")
    # 40 hits weigh less than 10 after three quarters of the next window.
    assert refused.value.stats.reset_s == 60 + 45 + 1
    clock.now = NOON + 105
    assert pods[0].hits(1) == 0
    clock.now = NOON + 106
    assert pods[0].hits(1) == 1


def test_one_hit_of_each_key_costs_no_exchange(pods, store):
    for at in range(1_000):
        pods[0].hits(1, f"actor-{at}")
    sync_all(pods)
    assert store.exchanges == []


def test_a_limit_of_one_is_exchanged_from_the_first_hit(store, clock):
    first, second = pods_at(store.clients(2), clock, "1/minute")
    assert [first.hits(1), second.hits(1)] == [1, 1]
    sync_all([first, second])
    assert [first.hits(1), second.hits(1)] == [0, 0]
    sync_all([first, second])
    # One hit of the previous window would weigh half, and two weigh one.
    clock.now = NOON + 89
    assert [first.hits(1), second.hits(1)] == [0, 0]


def test_the_last_hits_of_a_window_count_in_the_next_one_at_every_pod(pods, clock):
    pods[0].hits(6)
    pods[1].hits(2)
    clock.now = NOON + 59.9
    sync_all(pods)
    pods[0].hits(2)
    clock.now = NOON + 60.1
    pods[1].hits(1)
    sync_all(pods)
    # It had read 8 hits of the previous window, which would leave two.
    assert pods[1].hits(9) == 0


def test_the_previous_window_is_read_at_the_first_hit_of_the_next(pods, clock):
    for pod in pods[:2]:
        pod.hits(4)
    sync_all(pods * 2)
    clock.now = NOON + 59
    pods[0].hits(2)
    clock.now = NOON + 60.1
    assert pods[1].hits(1) == 1
    sync_all(pods * 2)
    assert pods[1].hits(1) == 0


def test_the_previous_window_is_exchanged_until_it_is_acknowledged(pods, clock, store):
    exchanged = []
    for second in (0.0, 0.4, 0.9, 1.1, 1.6, 30.0):
        clock.now = NOON + second
        pods[0].hits(2)
        before = len(store.exchanges)
        pods[0].sync()
        exchanged += store.exchanges[before:]
    assert exchanged == [2, 2, 2, 2, 1, 1]


def test_while_the_store_is_unavailable_each_pod_continues_and_logs_it_once(pods, store):
    store.failing = lambda name: True
    before = RATE_LIMIT_SYNC_FAILURES._value.get()
    with capture_logs() as logs:
        assert list(allowed_hits(pods[:2], [[9, 9], [9, 9]])) == [18, 2]
        assert RATE_LIMIT_SYNC_FAILURES._value.get() == before + 4
        store.failing = lambda name: False
        sync_all(pods[:2])
        # Published late, without another hit.
        assert store.counts
    lines = [(log["log_level"], log.get("reason")) for log in logs]
    assert lines == [("warning", "the store is unavailable")] * 2 + [("info", None)] * 2


def test_failed_counters_are_retried_and_do_not_delay_the_others(pods, store):
    for key in ("a", "b"):
        pods[0].hits(10, key)
        pods[1].hits(2, key)
    store.failing = lambda name: name.endswith(":b")
    sync_all(pods * 2)
    assert [pods[1].hits(1, key) for key in ("a", "b")] == [0, 1]
    store.failing = lambda name: False
    sync_all(pods * 2)
    assert pods[1].hits(1, "b") == 0


def test_a_store_that_lost_everything_is_filled_again(pods, store):
    assert sum(allowed_hits(pods, [[3] * PODS, [0] * PODS])) == 12
    store.counts.clear()
    assert list(allowed_hits(pods, [[1] * PODS] * 3)) == [0, 0, 0]
    assert max(sum(shared.values()) for shared in store.counts.values()) == 12


def test_an_exception_only_fails_its_round(pods):
    class Broken:
        def exchange(self, counts, ttl_s):
            raise KeyError("unexpected")

    [pod] = pods_at([Broken()], Clock())
    pod.hits(3)
    with capture_logs() as logs:
        pod.sync()
    assert logs[0]["event"] == "rate limits not synchronized"
    assert pod.hits(10) == 7


def test_many_keys_are_exchanged_in_batches(pods, store):
    for at in range(BATCH + 1):
        pods[0].hits(2, f"actor-{at}")
    pods[0].sync()
    assert store.exchanges == [2 * BATCH, 2]
    store.failing = lambda name: True
    for at in range(BATCH + 1):
        pods[0].hits(1, f"actor-{at}")
    for _ in range(3):
        pods[0].sync()
    # The store is unavailable. One batch of each round finds that out.
    assert len(store.exchanges) == 5
    store.failing = lambda name: name.endswith("-0")
    pods[0].sync()
    # It is available again, so the rest is also exchanged.
    assert len(store.exchanges) == 7
    store.failing = lambda name: False
    pods[0].sync()
    assert {
        shared[next(iter(shared))] for name, shared in store.counts.items() if name.split(":")[1] == str(30_000_000)
    } == {3}


def test_the_thread_runs_from_start_to_close(store):
    limiters = [RateLimiter("one", "9/minute", "X"), RateLimiter("two", "9/minute", "X")]
    peer_sync = PeerSync(limiters, store.clients(1)[0], 0.01)
    for _ in range(2):
        limiters[1].hit("a")
    assert running() == 0
    for _ in range(2):
        peer_sync.start()
    wait_for(lambda: store.exchanges)
    assert running() == 1
    peer_sync.close()
    assert running() == 0
    peer_sync.start()
    assert running() == 0


def test_close_does_not_wait_for_the_next_round(store):
    limiter = RateLimiter("one", "9/minute", "X")
    peer_sync = PeerSync([limiter], store.clients(1)[0], 3_600)
    peer_sync.start()
    assert running() == 1
    peer_sync.close()
    assert running() == 0


def test_the_sync_runs_on_a_greenlet_under_gevent():
    program = """
from gevent import monkey; monkey.patch_all()
import gevent
from service.ratelimit.limiter import RateLimiter
from service.ratelimit.sync import PeerSync
from tests.support.ratelimit_pods import FakeStore, is_allowed
store, limiters = FakeStore(), [RateLimiter("one", "5/minute", "X") for _ in range(2)]
syncs = [PeerSync([limiter], client, 0.01) for limiter, client in zip(limiters, store.clients(2))]
for sync in syncs:
    sync.start()
with gevent.Timeout(10):
    while any([is_allowed(limiter) for limiter in limiters]):
        gevent.sleep(0.005)
for sync in syncs:
    thread = sync.task._thread
    sync.close()
    assert thread.ident and not thread.is_alive()
print(len(store.exchanges) > 1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
