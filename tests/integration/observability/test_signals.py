"""Load reports that the service writes to a real Valkey Cluster, as the autoscaler reads them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from autoscaler.errors import SignalsUnavailableError
from autoscaler.policy.observation import PostRate
from autoscaler.signals.report_reader import Report, ReportReader
from autoscaler.signals.signals import RedisSource, combine
from service.bootstrap.app import create_app
from service.bootstrap.flusher import open_flushers
from service.bootstrap.runtime import runtime_of
from service.observability.load_meter import LoadMeter
from service.observability.load_report import KEYS
from service.observability.load_reporter import LoadReporter
from service.observability.traffic_counter import TrafficCounter
from service.redis_settings import RedisSettings
from service.storage.redis import load_report_store
from service.storage.redis.cluster import Cluster
from service.storage.redis.load_report_store import RedisLoadReportStore
from tests.support.loop_client import LoopClient
from tests.support.ratelimit_pods import Clock
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

REPORT = {
    "arrivals": 90,
    "accepted": 80,
    "busy": 0.5,
    "queue": 3,
    "in_flight": 4,
    "ready_s": 60,
    "posts": [["a", 40.0]],
}
FLUSHED = {"pending": 500, "age_s": 1.5, "settled": 200}


def at(servers: Servers, **changes: object) -> RedisSettings:
    return RedisSettings(redis_urls=servers.settings.redis_urls, **changes)


@pytest.fixture
def stores(servers: Servers) -> Iterator[list[RedisLoadReportStore]]:
    """Yield the two stores of a process' load reports."""
    with ExitStack() as stack:
        created = [RedisLoadReportStore(Cluster(servers.settings.redis_urls, timeout_s=1), key) for key in KEYS]
        for store in created:
            stack.callback(store.close)
        yield created


@pytest.fixture
def reader(servers: Servers) -> Iterator[ReportReader]:
    reader = ReportReader(at(servers))
    yield reader
    reader.close()


def test_the_two_hashes_are_on_different_primaries(servers, stores, reader):
    stores[0].publish("api:one:1", REPORT)
    stores[1].publish("api:two:1", REPORT)
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        reports_by_primary = [set(node.call([("KEYS", "signals:*")])[0]) for node in cluster.primaries()]
    finally:
        cluster.close()
    assert sorted(map(len, reports_by_primary)) == [0, 1, 1]
    assert {report.pod for report in reader.read()} == {"one", "two"}


def test_a_report_is_read_with_its_age(stores, reader):
    stores[0].publish("api:pod-a:7", REPORT)
    (report,) = reader.read()
    assert (report.role, report.pod, report.process, report.load) == ("api", "pod-a", "7", REPORT)
    assert 0 <= report.age_s < 5


def test_the_newest_report_of_both_hashes_is_used(stores, reader):
    stores[0].publish("api:pod-a:7", REPORT)
    wait_for(lambda: reader.read()[0].age_s > 0.1)
    stores[1].publish("api:pod-a:7", REPORT | {"arrivals": 91})
    assert [report.load["arrivals"] for report in reader.read()] == [91]


def test_invalid_fields_are_ignored(servers, stores, reader):
    stores[0].publish("api:pod-a:7", REPORT)
    stores[0].publish("of:another:release:altogether", {})
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        node = cluster.of_slot(1914)
        node.call([("HSET", KEYS[0], "api:pod-b:1", "12 {not json"), ("HSET", KEYS[0], "api:pod-c:1", b"\xff\xfe")])
    finally:
        cluster.close()
    assert [report.pod for report in reader.read()] == ["pod-a"]


def test_reports_of_dead_processes_are_removed_by_others(servers, stores, monkeypatch, reader):
    monkeypatch.setattr(load_report_store, "KEPT_S", 1)
    stores[0].publish("api:dead:1", REPORT)

    def only_the_live_report_remains() -> bool:
        stores[0].publish("api:alive:1", REPORT)
        return {report.pod for report in reader.read()} == {"alive"}

    wait_for(only_the_live_report_remains)
    # Nothing is written any more, so the hash expires.
    wait_for(lambda: reader.read() == [], every_s=0.1)


def test_fields_from_the_future_or_without_a_number_are_removed(servers, stores, monkeypatch, reader):
    monkeypatch.setattr(load_report_store, "KEPT_S", 1)
    stores[0].publish("api:alive:1", REPORT)
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        hash_of = cluster.of_slot(1914)
        # A clock that goes back by five hours leaves such a time.
        ahead_us = int((time.time() + 18_000) * 1e6)
        for field, value in (("api:ahead:1", f"{ahead_us} {{}}"), ("api:odd:1", "odd {}"), ("swept", "odd")):
            assert hash_of.call([("HSET", KEYS[0], field, value)]) == [1 - (field == "swept")]

        def only_the_live_report_remains() -> bool:
            stores[0].publish("api:alive:1", REPORT)
            fields = hash_of.call([("HKEYS", KEYS[0])])[0]
            return set(fields) == {b"api:alive:1", b"swept"}

        wait_for(only_the_live_report_remains)
    finally:
        cluster.close()


def test_a_full_redis_accepts_reports(servers, stores, reader):
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        before = cluster.primaries()[0].call([("CONFIG", "GET", "maxmemory")])[0][1]
        for node in cluster.primaries():
            node.call([("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory-policy", "noeviction")])
        stores[0].publish("api:pod-a:7", REPORT)
        assert [report.pod for report in reader.read()] == ["pod-a"]
    finally:
        for node in cluster.primaries():
            node.call([("CONFIG", "SET", "maxmemory", before), ("CONFIG", "SET", "maxmemory-policy", "volatile-lru")])
        cluster.close()


def test_an_unreachable_redis_is_an_error_in_one_sentence():
    stores = ReportReader(RedisSettings(redis_urls="redis://127.0.0.1:1", redis_timeout_ms=200))
    with pytest.raises(SignalsUnavailableError, match=r"load reports cannot be read: .*127\.0\.0\.1:1"):
        stores.read()
    stores.close()


def test_a_process_publishes_and_removes_its_report(stores, reader, monkeypatch):
    monkeypatch.setenv("HOSTNAME", "likewise-api-x1")
    reporter = LoadReporter("api", lambda: REPORT, stores, every_s=0.05)
    reporter.start()
    wait_for(lambda: [report.pod for report in reader.read()] == ["likewise-api-x1"])
    reporter.close()
    assert reader.read() == []


def test_the_report_of_a_pod_has_its_requests_and_posts(servers, reader):
    app = create_app(servers.with_settings(load_report_ms=100, new_visitor_limit="1000/second"))
    # The server counts requests.
    client = LoopClient(app)
    runtime_of(app).start()
    try:
        source = RedisSource(reader)

        def posts_are_reported() -> bool:
            for _ in range(5):
                client.put("/v1/posts/viral/like")
            client.get("/v1/posts/quiet/count")
            seen = source.read(time.time())
            return bool(seen.pods) and seen.pods[0].arrivals > 0 and [one.post for one in seen.posts][:1] == ["viral"]

        wait_for(posts_are_reported)
        assert 0 <= source.read(time.time()).pods[0].busy <= 1
    finally:
        runtime_of(app).close()
    assert reader.read() == []


def test_a_flusher_reports_the_backlog(servers, reader):
    with open_flushers(servers.with_settings(load_report_ms=100, metrics_port=0)):
        wait_for(lambda: combine(reader.read(), 100.0).backlog)


def make_report(pod: str, process: str = "1", age_s: float = 0.2, role: str = "api", **changes: object) -> Report:
    return Report(role, pod, process, age_s, (REPORT if role == "api" else FLUSHED) | changes)


def test_workers_of_a_pod_are_one_sample():
    (pod,) = combine([make_report("a"), make_report("a", "2", 0.4, busy=0.9, ready_s=5)], 1_000.0).pods
    assert (pod.pod, pod.at, pod.arrivals, pod.queue) == ("a", 999.8, 180, 6)
    assert (pod.busy, pod.ready_s) == (0.7, 5)


def test_a_replaced_worker_does_not_count_twice():
    (pod,) = combine([make_report("a"), make_report("a", "2", 9.0)], 1_000.0).pods
    assert pod.arrivals == 90


def test_a_dead_worker_ahead_of_the_clock_does_not_hide_others():
    (pod,) = combine([make_report("a"), make_report("a", "2", -300.0)], 1_000.0).pods
    assert (pod.at, pod.arrivals) == (999.8, 90)
    flushed = [make_report("f", role="flusher"), make_report("g", age_s=-300, role="flusher", pending=9_000)]
    backlog = combine(flushed, 1_000.0).backlog
    assert backlog
    assert (backlog.at, backlog.pending) == (999.8, 500)


def test_rates_of_posts_are_summed_over_live_pods():
    posts = combine(
        [make_report("a"), make_report("b", posts=[["b", 50], ["a", 20]]), make_report("c", age_s=9)], 1_000.0
    ).posts
    assert posts == (PostRate("a", 60.0), PostRate("b", 50.0))


def test_the_backlog_is_the_largest_that_a_flusher_reports():
    flushed = [
        make_report("f", role="flusher"),
        make_report("g", role="flusher", pending=700, age_s=0.5),
        make_report("h", "1", 60, "flusher"),
    ]
    backlog = combine(flushed, 1_000.0).backlog
    assert backlog
    assert (backlog.pending, backlog.age_s, backlog.stored_per_s, backlog.at) == (700, 1.5, 400, 999.8)
    assert combine([], 1_000.0).backlog is None


def test_a_clock_that_went_back_gives_reports_from_the_future():
    (pod,) = combine([make_report("a", age_s=-30)], 1_000.0).pods
    # The policy refuses such a report.
    assert pod.at == 1_030


@pytest.mark.parametrize("wrong", [{"arrivals": "many"}, {"arrivals": None}, {"ready_s": []}])
def test_invalid_figures_are_ignored(wrong):
    assert combine([make_report("a", **wrong)], 1_000.0).pods == ()


def test_a_meter_measures_the_time_since_its_last_call():
    clock, traffic, used = Clock(0.0), TrafficCounter(), [0.0]
    meter = LoadMeter(traffic, lambda: 0.25, clock=clock, cpu_s=lambda: used[0])
    traffic.arrived, traffic.answered, traffic.failed = 200, 180, 20
    traffic.posts.extend(["hot"] * 60 + ["cool"] * 20)
    clock.now, used[0] = 2.0, 1.5
    # The queue is 25 unread requests, and 0.75 * (20 - 4.5) delayed ones.
    assert meter.measure() == {
        "arrivals": 100, "accepted": 80, "busy": 0.75, "queue": 36.62,
        "in_flight": 20, "ready_s": 2,
        "posts": [("hot", 30), ("cool", 10)],
    }  # fmt: skip
    clock.now = 3.0
    assert meter.measure()["arrivals"] == 0


def test_rates_of_posts_are_estimated_from_a_sample():
    clock, traffic = Clock(0.0), TrafficCounter()
    meter = LoadMeter(traffic, lambda: 0.0, clock=clock, cpu_s=lambda: 0.0)
    traffic.arrived = 10_000
    traffic.posts.extend(["a", "b"] * 5_000)
    clock.now = 1.0
    assert dict(meter.measure()["posts"]) == {"a": 5_000, "b": 5_000}
