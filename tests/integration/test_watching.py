"""Prometheus scrapes real pods and a flusher; each fault is made for real, and the alert that is for it fires."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce

import psutil
import psycopg
import pytest
import yaml

from service.auth.visitor_token import mint
from service.core.likes import LikeRequest
from tests.support.concurrent_load import drain
from tests.support.faults import client, forbid_promotion, primaries, start_again
from tests.support.monitored_stack import POSTS, World, ask, watched
from tests.support.prometheus import ALERTS, DASHBOARD
from tests.support.waiting import wait_for

RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

pytestmark = pytest.mark.requires("prometheus")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with watched(tmp_path_factory.mktemp("watching")) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet(world: World) -> None:
    """Each test begins with no alert."""
    world.wait_quiet()


def test_every_alert_can_be_evaluated_and_its_metrics_are_scraped(world: World) -> None:
    wait_for(lambda: all(rule["health"] == "ok" for rule in world.prometheus.rules()), 30)
    assert {rule["name"] for rule in world.prometheus.rules()} == {rule["alert"] for rule in RULES}
    names = {name for rule in RULES for name in re.findall(r"likewise_\w+", rule["expr"])}
    assert len(names) > 8

    def missing() -> set[str]:
        return {name for name in names if not world.prometheus.query(f"count({name})")}

    wait_for(lambda: not missing(), 30, every_s=0.2)


def test_every_panel_of_the_dashboard_has_something_to_show(world: World) -> None:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    known = {"$namespace": ".*", "$__rate_interval": "10s"}
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queries = [reduce(lambda text, pair: text.replace(*pair), known.items(), query) for query in queries]
    assert len(queries) > 30

    def empty() -> list[str]:
        return [query for query in queries if not world.prometheus.query(query) and "kube_" not in query]

    wait_for(lambda: not empty(), 30, every_s=0.5)


def test_figures_are_those_of_all_pods_and_of_the_flusher(world: World) -> None:
    def value(expression: str) -> float:
        return sum(world.prometheus.query(expression).values())

    wait_for(lambda: value('sum(likewise_likes_total{result="liked"})') > 50, 60, every_s=0.2)
    assert len(world.prometheus.query('likewise_likes_total{result="liked"} > 0')) == 2  # each pod has its own
    wait_for(lambda: value("sum(likewise_durability_lag_seconds_count)") > 50, 60, every_s=0.2)
    assert value("histogram_quantile(0.99, sum by (le) (likewise_durability_lag_seconds_bucket))") < 2
    assert value("sum(likewise_flush_likes_sum)") == pytest.approx(
        value("sum(likewise_durability_lag_seconds_count)"), abs=50
    )
    assert value("sum(likewise_redis_batch_commands_count)") > 0
    assert value('sum(likewise_count_cache_lookups_total{result="miss"})') > 0
    assert value("max(likewise_count_staleness_seconds_sum / likewise_count_staleness_seconds_count)") < 1
    assert value("sum(likewise_consistency_checks_total)") > 0


def test_counts_hold_over_a_worker_that_is_killed(world: World) -> None:
    def likes() -> float:
        return world.prometheus.query('sum(likewise_likes_total{instance=~".*",result="liked"})')[()]

    wait_for(lambda: likes() > 20)
    pod = psutil.Process(world.pod_processes[0].pid)
    [worker] = pod.children()
    before = likes()
    worker.kill()
    wait_for(lambda: [child.pid for child in pod.children()] not in ([], [worker.pid]), 30)
    wait_for(lambda: likes() > before, 30)
    seen = world.prometheus.query('min_over_time(sum(likewise_likes_total{result="liked"})[10s:500ms])')[()]
    assert seen <= likes()
    assert world.prometheus.query('sum(resets(likewise_likes_total{result="liked"}[30s]))')[()] == 0


@contextmanager
def postgres_away(world: World) -> Iterator[None]:
    """Both databases are killed, and started again at the end."""
    for server in world.servers.postgres:
        server.kill()
    try:
        yield
    finally:
        for server in world.servers.postgres:
            server.start()


def test_postgres_away(world: World) -> None:
    with postgres_away(world):
        world.wait_firing("LikewisePostgresAway", "LikewiseNothingStored", "LikewisePendingLate")
        world.wait_firing("LikewisePendingVeryLate", "LikewiseQueueNearFull")
    wait_for(lambda: world.stores.like_store.check() == [])
    drain(world.stores, 60)


def test_a_redis_primary_away(world: World) -> None:
    valkey = world.servers.valkey
    forbid_promotion(valkey)
    port = primaries(world.stores)[0]
    try:
        valkey.processes[valkey.ports.index(port)].kill()
        world.wait_firing("LikewiseRedisPrimaryAway", "LikewiseErrors")
    finally:
        start_again(valkey)


def test_a_slow_redis(world: World) -> None:
    ports = primaries(world.stores)
    firing = threading.Event()

    def pause() -> None:
        while not firing.is_set():
            for port in ports:
                with client(port) as node:
                    node.execute_command("CLIENT", "PAUSE", 1_200)
            firing.wait(1.25)  # then it answers for a moment, too short for many quick readings

    pausing = threading.Thread(target=pause)
    pausing.start()
    try:
        world.wait_firing("LikewiseAnswersSlow", "LikewiseSeenLate")
    finally:
        firing.set()
        pausing.join()


def change_counts(world: World, by: int) -> None:
    for server in world.servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("UPDATE posts SET n = n + %s WHERE post = ANY(%s)", (by, POSTS))


def test_drift(world: World) -> None:
    change_counts(world, 1)
    try:
        world.wait_firing("LikewiseDrift")
        wait_for(lambda: "counts do not agree" in world.logs["flusher"].read_text())
    finally:
        change_counts(world, -1)


def test_dead_letters(world: World) -> None:
    assert world.stores.counter.submit(LikeRequest(POSTS[0], "a\0b", True), "memory").changed
    try:
        world.wait_firing("LikewiseDeadLetters")
    finally:
        with client(world.stores.shard_client.node(0).address[1]) as node:
            node.delete(world.stores.shard_client.key(0, "dead"))


def test_limits_that_refuse_many(world: World) -> None:
    done = threading.Event()
    token = mint(world.secret)

    def flood() -> None:
        while not done.wait(0.01):
            ask(world.pods[0], "PUT", f"/v1/posts/{POSTS[0]}/like", token)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        world.wait_firing("LikewiseLimitsRefuseMany")
    finally:
        done.set()
        flooding.join()


def test_nobody_leads(world: World) -> None:
    world.autoscaler.leads = False
    try:
        world.wait_firing("LikewiseNobodyLeads")
    finally:
        world.autoscaler.leads = True


def test_an_autoscaler_that_can_not_read_redis(world: World) -> None:
    with world.autoscaler.cut_off():
        world.wait_firing("LikewiseAutoscalerBlind")


def test_no_flusher(world: World) -> None:
    world.flusher.kill()
    world.flusher.wait()
    try:
        world.wait_firing("LikewiseNoFlusher")
    finally:
        world.flusher = world.start_flusher()


def test_every_line_of_the_logs_is_json(world: World) -> None:
    for log in world.logs.values():
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert lines
        assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
