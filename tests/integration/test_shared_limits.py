"""Limits shared through the real cluster: the stated overshoot, what moves, a full Redis, one that is away."""

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
from service.ratelimit.limiter import Quota
from service.ratelimit.sync import Sharing
from service.settings import Settings
from service.sharding import SLOTS
from service.storage.redis.cluster import Cluster
from service.storage.redis.ratelimit_store import RedisWindows
from tests.support.ratelimit_pods import NOON, Clock, Pod, allowed, overshoot, pods_at, round_of, taken
from tests.support.servers import Servers
from tests.support.waiting import wait_for

PODS = 3


class World:
    """Pods' places at one cluster, and the cluster as a test sees it."""

    def __init__(self, servers: Servers, windows: list[RedisWindows], cluster: Cluster) -> None:
        self.servers = servers
        self.windows = windows
        self.cluster = cluster
        self.pods = pods_at(windows, Clock())

    def everywhere(self, *command: object) -> list[object]:
        """The reply of each primary."""
        return [node.call([command])[0] for node in self.cluster.primaries()]

    def keys(self) -> set[bytes]:
        """What was left in Redis."""
        return {key for reply in self.everywhere("KEYS", "rl:*") for key in reply}


@pytest.fixture
def world(servers: Servers) -> Iterator[World]:
    urls = servers.settings.redis_urls
    with ExitStack() as stack:
        clusters = [Cluster(urls, timeout_s=2) for _ in range(PODS + 1)]
        for cluster in clusters:
            stack.callback(cluster.close)
        yield World(servers, [RedisWindows(cluster) for cluster in clusters[1:]], clusters[0])


@contextmanager
def full(world: World) -> Iterator[None]:
    before = world.everywhere("CONFIG", "GET", "maxmemory")[0][1]
    world.everywhere("CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        world.everywhere("CONFIG", "SET", "maxmemory", before)


TICKS = st.lists(st.lists(st.integers(0, 12), min_size=PODS, max_size=PODS), min_size=1, max_size=8)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 30), ticks=TICKS)
def test_spreading_over_pods_gains_no_more_than_is_stated(world: World, limit: int, ticks: list[list[int]]) -> None:
    world.everywhere("FLUSHALL")
    crowd = pods_at(world.windows, Clock(), f"{limit}/minute")
    assert sum(taken(crowd, ticks)) <= limit + overshoot(ticks)


def test_after_two_rounds_every_pod_refuses(world: World) -> None:
    assert list(taken(world.pods, [[4] * PODS] * 3)) == [12, 6, 0]
    assert [pod.hits(3) for pod in world.pods] == [0] * PODS


def test_what_is_left_in_redis_goes_by_itself(world: World) -> None:
    world.pods[0].hits(1, "once")
    world.pods[0].hits(2, "2001:db8::/64")
    world.pods[1].hits(3, "2001:db8::/64")
    round_of(world.pods)
    key = f"rl:a-limit:{int(NOON / 60)}:2001:db8::/64".encode()
    assert world.keys() == {key}
    [[ttl, values]] = [
        node.call([("TTL", key), ("HVALS", key)])
        for node in world.cluster.primaries()
        if key in node.call([("KEYS", "*")])[0]
    ]
    assert 60 < ttl <= 120
    assert sorted(map(int, values)) == [2, 3]


def test_counters_spread_over_every_node(world: World) -> None:
    for at in range(100):
        world.pods[0].hits(2, f"actor-{at}")
    world.pods[0].round()
    assert all(len(reply) > 10 for reply in world.everywhere("KEYS", "rl:*"))
    assert len(world.keys()) == 100


def test_a_slot_that_moved_is_found(world: World) -> None:
    for pod, windows in zip(world.pods, world.windows, strict=True):
        for at in range(20):
            pod.hits(10, f"actor-{at}")
        windows._cluster._slots = [windows._cluster.primaries()[0].address] * SLOTS  # as if all had moved since
        windows._cluster._refreshed_at = 0.0
    with structlog.testing.capture_logs() as logs:
        round_of(world.pods)
    assert logs == []
    assert len(world.keys()) == 20
    assert [pod.quota.windows.look("actor-7", NOON).others for pod in world.pods] == [0, 10, 20]


def test_while_redis_is_full_pods_go_on_and_share_again(world: World) -> None:
    pods = world.pods
    with full(world), structlog.testing.capture_logs() as logs:
        assert list(taken(pods, [[4] * PODS] * 2)) == [12, 12]
    assert [log["log_level"] for log in logs] == ["warning"] * PODS
    assert "maxmemory" in logs[0]["reason"]
    round_of(pods * 2)
    assert [pod.hits(5) for pod in pods] == [0] * PODS


def test_while_redis_is_away_pods_go_on_and_are_quick_about_it() -> None:
    nowhere = Cluster(["redis://127.0.0.1:1"], timeout_s=1)
    pod = Pod(RedisWindows(nowhere), Clock())
    for at in range(300):
        pod.hits(2, f"actor-{at}")
    with structlog.testing.capture_logs() as logs:
        pod.round()
        pod.round()
    assert [log["log_level"] for log in logs] == ["warning"]
    assert pod.hits(20, "actor-1") == 8


def test_threads_share_by_themselves(world: World) -> None:
    quotas = [Quota("a-limit", "200/day", "LIKEWISE_A_LIMIT", clock=Clock()) for _ in range(PODS)]
    sharings = [Sharing([quota], windows, 0.05) for quota, windows in zip(quotas, world.windows, strict=True)]
    try:
        assert sum(allowed(quotas[0]) for _ in range(300)) == 200
        wait_for(lambda: not any(allowed(quota) for quota in quotas))
    finally:
        for sharing in sharings:
            sharing.close()
    assert all(quota.windows.look("a", NOON).others >= 200 for quota in quotas[1:])


def test_apps_hear_of_each_other(servers):
    limits = {"actor_limit": "100/hour", "limit_share_ms": 20}
    with running_app(servers.with_settings(**limits)) as first, running_app(servers.with_settings(**limits)) as second:
        token = mint(servers.settings.secret.get_secret_value().encode())

        def like(app, post):
            return app.test_client().put(f"/v1/posts/{post}/like", headers={"Likewise-Visitor": token}).status_code

        assert [like(first, f"p{at}") for at in range(101)] == [201] * 100 + [429]
        said = []
        wait_for(lambda: said.append(like(second, "q")) or said[-1] == 429)
        assert len(said) < 100  # far fewer than a limit of its own allows
        taken_back = second.test_client().delete("/v1/posts/p0/like", headers={"Likewise-Visitor": token})
        assert (taken_back.status_code, taken_back.json["liked"]) == (200, False)


@contextmanager
def running_app(settings: Settings) -> Iterator[Flask]:
    """A pod's application, closed at the end."""
    app = create_app(settings)
    try:
        yield app
    finally:
        runtime_of(app).close()
