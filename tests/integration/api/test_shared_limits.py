"""Rate limits are synchronised through a real cluster: overshoot, moved slots, a full Redis, an unavailable Redis."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import structlog.testing
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.auth.visitor_token import mint
from service.bootstrap.app import create_app
from service.bootstrap.runtime import runtime_of
from service.ratelimit.limiter import RateLimiter
from service.ratelimit.sync import PeerSync
from service.settings import Settings
from service.sharding import SLOTS
from service.storage.redis.cluster import Cluster
from service.storage.redis.ratelimit_store import RedisPeerStore
from tests.support.ratelimit_pods import NOON, Clock, Pod, allowed_hits, is_allowed, max_overshoot, pods_at, sync_all
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

PODS = 3


class SharedCluster:
    """Pods with a client each, and the cluster as a test sees it."""

    def __init__(self, servers: Servers, stores: list[RedisPeerStore], cluster: Cluster) -> None:
        self.servers = servers
        self.stores = stores
        self.cluster = cluster
        self.pods = pods_at(stores, Clock())

    def on_every_primary(self, *command: object) -> list[object]:
        """Return the reply of each primary."""
        return [node.call([command])[0] for node in self.cluster.primaries()]

    def keys(self) -> set[bytes]:
        """Return the keys in Redis."""
        return {key for reply in self.on_every_primary("KEYS", "rl:*") for key in reply}


@pytest.fixture
def shared(servers: Servers) -> Iterator[SharedCluster]:
    urls = servers.settings.redis_urls
    with ExitStack() as stack:
        clusters = [Cluster(urls, timeout_s=2) for _ in range(PODS + 1)]
        for cluster in clusters:
            stack.callback(cluster.close)
        yield SharedCluster(servers, [RedisPeerStore(cluster) for cluster in clusters[1:]], clusters[0])


@contextmanager
def full(shared: SharedCluster) -> Iterator[None]:
    before = shared.on_every_primary("CONFIG", "GET", "maxmemory")[0][1]
    shared.on_every_primary("CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        shared.on_every_primary("CONFIG", "SET", "maxmemory", before)


TICKS = st.lists(st.lists(st.integers(0, 12), min_size=PODS, max_size=PODS), min_size=1, max_size=8)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 30), ticks=TICKS)
def test_spreading_hits_over_pods_gains_only_the_stated_overshoot(
    shared: SharedCluster, limit: int, ticks: list[list[int]]
) -> None:
    shared.on_every_primary("FLUSHALL")
    crowd = pods_at(shared.stores, Clock(), f"{limit}/minute")
    assert sum(allowed_hits(crowd, ticks)) <= limit + max_overshoot(ticks)


def test_after_two_rounds_every_pod_refuses(shared: SharedCluster) -> None:
    assert list(allowed_hits(shared.pods, [[4] * PODS] * 3)) == [12, 6, 0]
    assert [pod.hits(3) for pod in shared.pods] == [0] * PODS


def test_keys_in_redis_expire(shared: SharedCluster) -> None:
    shared.pods[0].hits(1, "once")
    shared.pods[0].hits(2, "2001:db8::/64")
    shared.pods[1].hits(3, "2001:db8::/64")
    sync_all(shared.pods)
    key = f"rl:a-limit:{int(NOON / 60)}:2001:db8::/64".encode()
    assert shared.keys() == {key}
    [[ttl, values]] = [
        node.call([("TTL", key), ("HVALS", key)])
        for node in shared.cluster.primaries()
        if key in node.call([("KEYS", "*")])[0]
    ]
    assert 60 < ttl <= 120
    assert sorted(map(int, values)) == [2, 3]


def test_counters_spread_over_every_node(shared: SharedCluster) -> None:
    for at in range(100):
        shared.pods[0].hits(2, f"actor-{at}")
    shared.pods[0].sync()
    assert all(len(reply) > 10 for reply in shared.on_every_primary("KEYS", "rl:*"))
    assert len(shared.keys()) == 100


def test_a_slot_that_moved_is_found(shared: SharedCluster) -> None:
    for pod, store in zip(shared.pods, shared.stores, strict=True):
        for at in range(20):
            pod.hits(10, f"actor-{at}")
        # As if all slots had moved since.
        store._cluster._slots = [store._cluster.primaries()[0].address] * SLOTS
        store._cluster._refreshed_at = 0.0
    with structlog.testing.capture_logs() as logs:
        sync_all(shared.pods)
    assert logs == []
    assert len(shared.keys()) == 20
    assert [pod.limiter.window.get("actor-7", NOON).others for pod in shared.pods] == [0, 10, 20]


def test_while_redis_is_full_pods_continue_and_sync_later(shared: SharedCluster) -> None:
    pods = shared.pods
    with full(shared), structlog.testing.capture_logs() as logs:
        assert list(allowed_hits(pods, [[4] * PODS] * 2)) == [12, 12]
    assert [log["log_level"] for log in logs] == ["warning"] * PODS
    assert "maxmemory" in logs[0]["reason"]
    sync_all(pods * 2)
    assert [pod.hits(5) for pod in pods] == [0] * PODS


def test_while_redis_is_unavailable_pods_continue_without_delay() -> None:
    nowhere = Cluster(["redis://127.0.0.1:1"], timeout_s=1)
    pod = Pod(RedisPeerStore(nowhere), Clock())
    for at in range(300):
        pod.hits(2, f"actor-{at}")
    with structlog.testing.capture_logs() as logs:
        pod.sync()
        pod.sync()
    assert [log["log_level"] for log in logs] == ["warning"]
    assert pod.hits(20, "actor-1") == 8


def test_background_threads_sync(shared: SharedCluster) -> None:
    limiters = [RateLimiter("a-limit", "200/day", "LIKEWISE_A_LIMIT", clock=Clock()) for _ in range(PODS)]
    syncs = [PeerSync([limiter], store, 0.05) for limiter, store in zip(limiters, shared.stores, strict=True)]
    try:
        for peer_sync in syncs:
            peer_sync.start()
        assert sum(is_allowed(limiters[0]) for _ in range(300)) == 200
        wait_for(lambda: not any(is_allowed(limiter) for limiter in limiters))
    finally:
        for peer_sync in syncs:
            peer_sync.close()
    assert all(limiter.window.get("a", NOON).others >= 200 for limiter in limiters[1:])


def test_applications_share_the_limit_of_an_actor(servers):
    limits = {"actor_limit": "100/hour", "limit_sync_ms": 20}
    with running_app(servers.with_settings(**limits)) as first, running_app(servers.with_settings(**limits)) as second:
        token = mint(servers.settings.secret.get_secret_value().encode())

        def like(app, post):
            return app.test_client().put(f"/v1/posts/{post}/like", headers={"Likewise-Visitor": token}).status_code

        assert [like(first, f"p{at}") for at in range(101)] == [201] * 100 + [429]
        statuses = []
        wait_for(lambda: statuses.append(like(second, "q")) or statuses[-1] == 429)
        # Far fewer than its own limit allows.
        assert len(statuses) < 100
        taken_back = second.test_client().delete("/v1/posts/p0/like", headers={"Likewise-Visitor": token})
        assert (taken_back.status_code, taken_back.json["liked"]) == (200, False)


@contextmanager
def running_app(settings: Settings) -> Iterator[Flask]:
    """Create and start a pod's application, and close it at the end."""
    app = create_app(settings)
    try:
        runtime_of(app).start()
        yield app
    finally:
        runtime_of(app).close()
