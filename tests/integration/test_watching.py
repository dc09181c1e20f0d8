"""Prometheus scrapes real pods and a flusher; each fault is made for real, and the alert that is for it fires."""

import http.client
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import psutil
import psycopg
import pytest
import yaml

from service.app import Stores, open_stores
from service.likes import Wish
from service.local.processes import HOST, free_ports, spawn, terminate
from service.security.visitor import mint
from tests.conftest import SHARDS, Servers, wait_for
from tests.conftest import running as running_servers
from tests.faults.breaking import client, forbid_promotion, post_in, primaries, start_again
from tests.faults.crowd import drain
from tests.faults.processes import environment

from .prometheus import ALERTS, DASHBOARD, Prometheus, scraping

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
QUEUE_BYTES = 24_000  # so that a test can fill it


@dataclass
class Readers:
    """Likes all the time, each of another visitor, and counts: what alerts are measured against."""

    ports: list[int]
    secret: bytes
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for port in self.ports:
            thread = threading.Thread(target=self._read_and_like, args=(port,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read_and_like(self, port: int) -> None:
        for post in itertools.cycle(POSTS):
            if self._stop.wait(0.02):
                return
            with suppress(OSError, http.client.HTTPException):
                ask(port, "PUT", f"/v1/posts/{post}/like", mint(self.secret))
                ask(port, "GET", f"/v1/posts/{post}/count")


def ask(port: int, method: str, path: str, visitor: str = "") -> int:
    """The status of an answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(method, path, headers={"Likewise-Visitor": visitor} if visitor else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@dataclass
class World:
    """A running stack that is watched."""

    servers: Servers
    stores: Stores
    prometheus: Prometheus
    pods: list[int]
    secret: bytes
    logs: dict[str, Path]
    start_flusher: Callable[[], subprocess.Popen[bytes]]
    flusher: subprocess.Popen[bytes]

    def wait_firing(self, *alerts: str, timeout_s: float = 60) -> None:
        """Return once all of them fire."""
        wait_for(lambda: self.prometheus.firing() >= set(alerts), timeout_s, every_s=0.2)

    def wait_quiet(self, timeout_s: float = 90) -> None:
        """Return once no alert fires."""
        wait_for(lambda: not self.prometheus.firing(), timeout_s, every_s=0.2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("watching")
    ports = free_ports(5)
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers(root, node_timeout_ms=1_000))
        env = environment(
            servers,
            WEB_CONCURRENCY="1",
            LIKEWISE_METRICS_HOST=HOST,
            LIKEWISE_QUEUE_BYTES=str(QUEUE_BYTES),
            LIKEWISE_CHECK_INTERVAL_MS="200",
            LIKEWISE_FLUSH_AGE_MS="200",
        )
        gunicorn = ["-m", "gunicorn", "-c", "python:service.gunicorn_conf", "service.wsgi:app", "--bind"]
        logs = {name: root / f"{name}.log" for name in ("pod-0", "pod-1", "flusher")}

        def start(name: str, metrics_port: int, *args: str) -> subprocess.Popen[bytes]:
            own = {
                "LIKEWISE_METRICS_PORT": str(metrics_port),
                "PROMETHEUS_MULTIPROC_DIR": str(root / f"{name}-metrics"),
            }
            process = spawn([sys.executable, *args], log=logs[name], env=env | own)
            stack.callback(terminate, [process], timeout_s=20)
            return process

        def start_flusher() -> subprocess.Popen[bytes]:
            return start("flusher", ports[4], "-m", "service.cli", "flusher")

        for at in range(2):
            start(f"pod-{at}", ports[2 + at], *gunicorn, f"{HOST}:{ports[at]}")
        flusher = start_flusher()
        targets = {"api": ports[2:4], "flusher": ports[4:]}
        prometheus = stack.enter_context(scraping(root, targets))
        wait_for(lambda: list(prometheus.up().values()) == [1, 1, 1], 60, every_s=0.2)
        stores = stack.enter_context(open_stores(servers.settings))
        secret = servers.settings.secret.get_secret_value().encode()
        readers = Readers(ports[:2], secret)
        readers.start()
        stack.callback(readers.stop)
        yield World(servers, stores, prometheus, ports[:2], secret, logs, start_flusher, flusher)


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

    wait_for(lambda: value('sum(likewise_likes_total{result="liked"})') > 50)
    assert len(world.prometheus.query('likewise_likes_total{result="liked"} > 0')) == 2  # each pod has its own
    wait_for(lambda: value("sum(likewise_durable_seconds_count)") > 50)
    assert value("histogram_quantile(0.99, sum by (le) (likewise_durable_seconds_bucket))") < 2
    assert value("sum(likewise_flush_likes_sum)") == pytest.approx(value("sum(likewise_durable_seconds_count)"), abs=50)
    assert value("sum(likewise_batch_wishes_count)") > 0
    assert value('sum(likewise_count_cache_total{result="miss"})') > 0
    assert value("max(likewise_seen_seconds_sum / likewise_seen_seconds_count)") < 1
    assert value("sum(likewise_drift_checks_total)") > 0


def test_counts_hold_over_a_worker_that_is_killed(world: World) -> None:
    def likes() -> float:
        return world.prometheus.query('sum(likewise_likes_total{instance=~".*",result="liked"})')[()]

    wait_for(lambda: likes() > 20)
    [pod] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"{HOST}:{world.pods[0]}" in (process.info["cmdline"] or []) and process.parent().pid == psutil.Process().pid
    ]
    [worker] = pod.children()
    before = likes()
    worker.kill()
    wait_for(lambda: pod.children() and pod.children()[0].pid != worker.pid)
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
    wait_for(lambda: world.stores.ledger.check() == [])
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
            firing.wait(1.5)  # then it answers for a moment

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
    assert world.stores.counter.wish(Wish(POSTS[0], "a\0b", True), "memory").changed
    try:
        world.wait_firing("LikewiseDeadLetters")
    finally:
        with client(world.stores.shards.node(0).address[1]) as node:
            node.delete(world.stores.shards.key(0, "dead"))


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
