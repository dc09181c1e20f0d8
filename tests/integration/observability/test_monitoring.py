"""Alerts and dashboard on a real Prometheus that scrapes real pods. Each alert fires for its fault."""

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
from tests.support.stack.concurrent_load import drain
from tests.support.stack.faults import client, forbid_promotion, primaries, start_again
from tests.support.stack.monitored_stack import POSTS, MonitoredStack, ask, run_monitored_stack
from tests.support.stack.prometheus import ALERTS, DASHBOARD
from tests.support.waiting import wait_for

RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

pytestmark = pytest.mark.requires("prometheus")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredStack]:
    with run_monitored_stack(tmp_path_factory.mktemp("watching")) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet(stack: MonitoredStack) -> None:
    """Start each test without a firing alert."""
    stack.wait_no_alert()


def test_every_alert_can_be_evaluated_and_its_metrics_are_scraped(stack: MonitoredStack) -> None:
    wait_for(lambda: all(rule["health"] == "ok" for rule in stack.prometheus.rules()), 30)
    assert {rule["name"] for rule in stack.prometheus.rules()} == {rule["alert"] for rule in RULES}
    names = {name for rule in RULES for name in re.findall(r"likewise_\w+", rule["expr"])}
    assert len(names) > 8

    def missing() -> set[str]:
        return {name for name in names if not stack.prometheus.query(f"count({name})")}

    wait_for(lambda: not missing(), 30, every_s=0.2)


def test_every_panel_of_the_dashboard_has_data(stack: MonitoredStack) -> None:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    variables = {"$namespace": ".*", "$__rate_interval": "10s"}
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queries = [reduce(lambda text, pair: text.replace(*pair), variables.items(), query) for query in queries]
    assert len(queries) > 30

    def empty() -> list[str]:
        return [query for query in queries if not stack.prometheus.query(query) and "kube_" not in query]

    wait_for(lambda: not empty(), 30, every_s=0.5)


def test_metrics_cover_all_pods_and_the_flusher(stack: MonitoredStack) -> None:
    def value(expression: str) -> float:
        return sum(stack.prometheus.query(expression).values())

    wait_for(lambda: value('sum(likewise_likes_total{result="liked"})') > 50, 60, every_s=0.2)
    # Each pod has its own series.
    assert len(stack.prometheus.query('likewise_likes_total{result="liked"} > 0')) == 2
    wait_for(lambda: value("sum(likewise_durability_lag_seconds_count)") > 50, 60, every_s=0.2)
    assert value("histogram_quantile(0.99, sum by (le) (likewise_durability_lag_seconds_bucket))") < 2
    assert value("sum(likewise_flush_likes_sum)") == pytest.approx(
        value("sum(likewise_durability_lag_seconds_count)"), abs=50
    )
    assert value("sum(likewise_redis_batch_commands_count)") > 0
    assert value('sum(likewise_count_cache_lookups_total{result="miss"})') > 0
    assert value("max(likewise_count_staleness_seconds_sum / likewise_count_staleness_seconds_count)") < 1
    assert value("sum(likewise_consistency_checks_total)") > 0


def test_counters_survive_a_killed_worker(stack: MonitoredStack) -> None:
    def likes() -> float:
        return stack.prometheus.query('sum(likewise_likes_total{instance=~".*",result="liked"})')[()]

    wait_for(lambda: likes() > 20)
    pod = psutil.Process(stack.pod_processes[0].pid)
    [worker] = pod.children()
    before = likes()
    worker.kill()
    wait_for(lambda: [child.pid for child in pod.children()] not in ([], [worker.pid]), 30)
    wait_for(lambda: likes() > before, 30)
    seen = stack.prometheus.query('min_over_time(sum(likewise_likes_total{result="liked"})[10s:500ms])')[()]
    assert seen <= likes()
    assert stack.prometheus.query('sum(resets(likewise_likes_total{result="liked"}[30s]))')[()] == 0


@contextmanager
def postgres_away(stack: MonitoredStack) -> Iterator[None]:
    """Kill both databases, and start them again at the end."""
    for server in stack.servers.postgres:
        server.kill()
    try:
        yield
    finally:
        for server in stack.servers.postgres:
            server.start()


def test_postgres_away(stack: MonitoredStack) -> None:
    with postgres_away(stack):
        stack.wait_firing("LikewisePostgresDown", "LikewiseNothingStored", "LikewisePendingLate")
        stack.wait_firing("LikewisePendingVeryLate", "LikewiseQueueNearFull")
    wait_for(lambda: stack.stores.like_store.check() == [])
    drain(stack.stores, 60)


def test_a_redis_primary_away(stack: MonitoredStack) -> None:
    valkey = stack.servers.valkey
    forbid_promotion(valkey)
    port = primaries(stack.stores)[0]
    try:
        valkey.processes[valkey.ports.index(port)].kill()
        stack.wait_firing("LikewiseRedisPrimaryDown", "LikewiseErrors")
    finally:
        start_again(valkey)


def test_a_slow_redis(stack: MonitoredStack) -> None:
    ports = primaries(stack.stores)
    firing = threading.Event()

    def pause() -> None:
        while not firing.is_set():
            for port in ports:
                with client(port) as node:
                    node.execute_command("CLIENT", "PAUSE", 1_200)
            # Redis then answers for a moment, too short for many fast reads.
            firing.wait(1.25)

    pausing = threading.Thread(target=pause)
    pausing.start()
    try:
        stack.wait_firing("LikewiseSlowResponses", "LikewiseStaleCounts")
    finally:
        firing.set()
        pausing.join()


def change_counts(stack: MonitoredStack, by: int) -> None:
    for server in stack.servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("UPDATE posts SET n = n + %s WHERE post = ANY(%s)", (by, POSTS))


def stored_posts(stack: MonitoredStack) -> int:
    query = "SELECT count(*) FROM posts WHERE n > 0 AND post = ANY(%s)"
    total = 0
    for server in stack.servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            total += connection.execute(query, [POSTS]).fetchone()[0]
    return total


def test_inconsistent_counts(stack: MonitoredStack) -> None:
    wait_for(lambda: stored_posts(stack) == len(POSTS), 30)
    change_counts(stack, 1)
    try:
        stack.wait_firing("LikewiseInconsistentCounts")
        wait_for(lambda: "counts do not agree" in stack.logs["flusher"].read_text())
    finally:
        change_counts(stack, -1)
        # A flush in between gave Redis the wrong count. The flush of another like of each post corrects it.
        for post in POSTS:
            stack.stores.counter.submit(LikeRequest(post, "corrector", True), "memory")


def test_dead_letters(stack: MonitoredStack) -> None:
    assert stack.stores.counter.submit(LikeRequest(POSTS[0], "a\0b", True), "memory").changed
    try:
        stack.wait_firing("LikewiseDeadLetters")
    finally:
        with client(stack.stores.shard_client.node(0).address[1]) as node:
            node.delete(stack.stores.shard_client.key(0, "dead"))


def test_rate_limits_that_refuse_many(stack: MonitoredStack) -> None:
    done = threading.Event()
    token = mint(stack.secret)

    def flood() -> None:
        while not done.wait(0.01):
            ask(stack.pods[0], "PUT", f"/v1/posts/{POSTS[0]}/like", token)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        stack.wait_firing("LikewiseManyRateLimited")
    finally:
        done.set()
        flooding.join()


def test_autoscaler_without_a_leader(stack: MonitoredStack) -> None:
    stack.autoscaler.leads = False
    try:
        stack.wait_firing("LikewiseAutoscalerNoLeader")
    finally:
        stack.autoscaler.leads = True


def test_autoscaler_that_cannot_read_redis(stack: MonitoredStack) -> None:
    with stack.autoscaler.disconnected_from_redis():
        stack.wait_firing("LikewiseAutoscalerNoData")


def test_no_flusher(stack: MonitoredStack) -> None:
    stack.flusher.kill()
    stack.flusher.wait()
    try:
        stack.wait_firing("LikewiseNoFlusher")
    finally:
        stack.flusher = stack.start_flusher()


def test_every_line_of_the_logs_is_json(stack: MonitoredStack) -> None:
    for log in stack.logs.values():
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert lines
        assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
