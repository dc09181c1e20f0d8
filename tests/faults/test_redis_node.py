"""A Redis node dies or hangs. Its shards answer 503 in time, the others work, and a replica takes over."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress

import gevent
import psycopg
import pytest
from prometheus_client import REGISTRY

from service.bootstrap.stores import Stores, create_likes, open_stores
from service.core.likes import LikeRequest, LikeState
from service.devstack.processes import HOST
from service.errors import CounterUnavailableError, NotReplicatedError
from service.sharding import slot_of_shard
from service.storage.redis.cluster import _REFRESH_PAUSE_S
from service.storage.redis.node_pipe import NodePipe
from tests.support.loop_thread import loop_counter
from tests.support.stack.concurrent_load import TrackedLikes, drain
from tests.support.stack.faults import (
    client,
    forbid_promotion,
    is_primary,
    keep_every_write,
    post_in,
    primaries,
    primary_of,
    start_again,
    wait_for,
    wait_for_promotion,
)
from tests.support.stack.servers import SHARDS, Servers

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]


def epoch_of(servers: Servers, shard: int) -> int:
    server = servers.postgres[shard * 2 // SHARDS]
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute("SELECT epoch FROM shards WHERE shard = %s", [shard]).fetchone()
    assert row is not None
    return int(row[0])


def split(stores: Stores, port: int) -> tuple[list[int], list[int]]:
    """Return the shards on the node at the port, and all others."""
    on_node = [shard for shard in range(SHARDS) if primary_of(stores, shard) == port]
    return on_node, [shard for shard in range(SHARDS) if shard not in on_node]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_only_requests_for_the_shards_of_a_lost_node_are_refused(
    servers: Servers, stores: Stores, tracked: TrackedLikes, how: signal.Signals
) -> None:
    tracked.like_all(POSTS, ["anna", "ben"])
    forbid_promotion(servers.valkey)
    port = primary_of(stores, 0)
    keep_every_write(port)
    tracked.like_all(POSTS, ["cleo"])
    lost, others = split(stores, port)
    index = servers.valkey.ports.index(port)
    servers.valkey.processes[index].send_signal(how)
    for shard in lost[:2]:
        started = time.monotonic()
        with pytest.raises(CounterUnavailableError):
            tracked.like(POSTS[shard], "dora")
        limit_s = (servers.settings.redis_deadline_ms + 2 * servers.settings.redis_timeout_ms) / 1000
        assert time.monotonic() - started < limit_s
    for shard in others:
        started = time.monotonic()
        assert tracked.like(POSTS[shard], "dora").count == 4
        assert time.monotonic() - started < 1
    start_again(servers.valkey)
    tracked.retry_unacknowledged()
    tracked.like_all([POSTS[shard] for shard in lost], ["emil"])
    tracked.assert_consistent()


def move_slot(slot: int, source: int, target: int) -> None:
    """Move a slot and its keys between the nodes at two ports."""
    with client(source) as old, client(target) as new:
        old_id, new_id = (node.execute_command("CLUSTER MYID").decode() for node in (old, new))
        new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", old_id)
        old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", new_id)
        keys = old.execute_command("CLUSTER GETKEYSINSLOT", slot, 1_000)
        old.execute_command("MIGRATE", HOST, target, "", 0, 5_000, "KEYS", *keys)
        for node in (new, old):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", new_id)


def redirects() -> float:
    return REGISTRY.get_sample_value("likewise_redis_errors_total", {"kind": "moved"}) or 0


def test_likes_follow_a_slot_that_moves(stores: Stores, tracked: TrackedLikes) -> None:
    source = primary_of(stores, 0)
    target = next(port for port in primaries(stores) if port != source)
    tracked.like(POSTS[0], "anna")
    # The first like has read the slot map. A redirect so soon after it would share that reading, and lead to another.
    time.sleep(2 * _REFRESH_PAUSE_S)
    before = redirects()
    move_slot(slot_of_shard(0), source, target)
    assert tracked.like(POSTS[0], "ben").count == 2
    assert redirects() - before == 1
    move_slot(slot_of_shard(0), target, source)
    assert tracked.unlike(POSTS[0], "anna").count == 1
    tracked.assert_consistent()


def test_replies_that_arrive_while_the_pod_stands_still_are_read(servers: Servers, stores: Stores) -> None:
    state: Future[LikeState] = Future()
    with loop_counter(stores) as (loop, counter):
        connected: Future[object] = Future()
        loop.call(counter.begin, LikeRequest(POSTS[0], "anna", True), connected.set_result)
        connected.result(30)

        def stand_still_once_it_is_sent() -> None:
            if any(pipe._in_flight for pipe in counter._pipes.values()):
                time.sleep(2 * servers.settings.redis_timeout_ms / 1000)
            else:
                gevent.get_hub().loop.run_callback(stand_still_once_it_is_sent)

        loop.call(counter.begin, LikeRequest(POSTS[0], "ben", True), state.set_result)
        loop.call(stand_still_once_it_is_sent)
        # A like that was sent again would have changed nothing.
        assert state.result(30).changed


def test_a_connection_to_a_node_that_has_left_is_closed(stores: Stores) -> None:
    with loop_counter(stores) as (loop, counter):
        pipe = NodePipe(stores.shard_client.node(0), encode=counter._encode, deliver=counter._deliver)

        def connect_and_leave() -> None:
            pipe._start_to_connect()
            pipe.close()

        loop.call(connect_and_leave)
        wait_for(lambda: not pipe._is_connecting)
    assert pipe._connection
    assert pipe._connection._sock is None


@pytest.fixture
def replicated(servers: Servers) -> Iterator[TrackedLikes]:
    """Yield tracked likes that are acknowledged only once a replica has them."""
    settings = servers.with_settings(ack="replicated", redis_deadline_ms=10_000)
    with open_stores(settings) as opened:
        yield TrackedLikes(opened, create_likes(opened))


def test_a_failover_loses_no_acknowledged_like(servers: Servers, replicated: TrackedLikes) -> None:
    stores = replicated.stores
    replicated.like_all(POSTS, ["anna", "ben"])
    port = primary_of(stores, 0)
    lost, _ = split(stores, port)
    before = {shard: epoch_of(servers, shard) for shard in lost}
    index = servers.valkey.ports.index(port)
    servers.valkey.processes[index].kill()
    servers.valkey.processes[index].wait()
    for shard in lost:
        # The promoted replica counts the like, but has no replica itself.
        with pytest.raises(NotReplicatedError):
            replicated.like(POSTS[shard], "cleo")
    wait_for_promotion(servers.valkey, port)
    start_again(servers.valkey)
    for shard in lost:
        assert replicated.like(POSTS[shard], "dora").count == 4
        assert epoch_of(servers, shard) > before[shard]
    replicated.retry_unacknowledged()
    replicated.unlike(POSTS[0], "anna")
    replicated.assert_consistent()


def test_a_returning_old_primary_does_no_harm(servers: Servers, replicated: TrackedLikes) -> None:
    stores = replicated.stores
    replicated.like_all(POSTS, ["anna"])
    port = primary_of(stores, 0)
    lost, _ = split(stores, port)
    process = servers.valkey.processes[servers.valkey.ports.index(port)]
    process.send_signal(signal.SIGSTOP)
    wait_for_promotion(servers.valkey, port)
    with open_stores(servers.settings) as others:
        for shard in lost:
            TrackedLikes(others).like(POSTS[shard], "ben")
            replicated.expected[POSTS[shard]].add("ben")
    process.send_signal(signal.SIGCONT)
    # `stores` still has the old slot map. The old primary may take a like before it learns of the new one. No such
    # like is acknowledged, because no replica has it, and none may reach Postgres.
    for shard in lost:
        with suppress(CounterUnavailableError):
            replicated.like(POSTS[shard], "cleo")
        with suppress(CounterUnavailableError):
            replicated.unlike(POSTS[shard], "anna")
    drain(stores)
    with client(port) as node:
        wait_for(lambda: not is_primary(node))
    start_again(servers.valkey)
    replicated.retry_unacknowledged()
    replicated.like_all(POSTS, ["dora"])
    assert all(epoch_of(servers, shard) >= 2 for shard in lost)
    replicated.assert_consistent()
