"""What the service tells through a real Valkey Cluster is what the autoscaler reads."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from autoscaler.errors import SignalsUnavailableError
from autoscaler.policy.observation import PostRate
from autoscaler.signals.redis_signals import SignalHashes, Told
from autoscaler.signals.signals import RedisSource, signals_of
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
from tests.support.ratelimit_pods import Clock
from tests.support.servers import Servers
from tests.support.waiting import wait_for

SAID = {"arrivals": 90, "accepted": 80, "busy": 0.5, "queue": 3, "in_flight": 4, "ready_s": 60, "posts": [["a", 40.0]]}
FLUSHED = {"pending": 500, "age_s": 1.5, "settled": 200}


def at(servers: Servers, **changes: object) -> RedisSettings:
    return RedisSettings(redis_urls=servers.settings.redis_urls, **changes)


@pytest.fixture
def stores(servers: Servers) -> Iterator[list[RedisLoadReportStore]]:
    """A process' two places to tell."""
    with ExitStack() as stack:
        made = [RedisLoadReportStore(Cluster(servers.settings.redis_urls, timeout_s=1), key) for key in KEYS]
        for store in made:
            stack.callback(store.close)
        yield made


@pytest.fixture
def reader(servers: Servers) -> Iterator[SignalHashes]:
    reader = SignalHashes(at(servers))
    yield reader
    reader.close()


def test_the_two_hashes_are_on_different_primaries(servers, stores, reader):
    stores[0].publish("api:one:1", SAID)
    stores[1].publish("api:two:1", SAID)
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        held = [set(node.call([("KEYS", "signals:*")])[0]) for node in cluster.primaries()]
    finally:
        cluster.close()
    assert sorted(map(len, held)) == [0, 1, 1]
    assert {told.pod for told in reader.read()} == {"one", "two"}


def test_what_is_told_is_read_with_its_age(stores, reader):
    stores[0].publish("api:pod-a:7", SAID)
    (told,) = reader.read()
    assert (told.role, told.pod, told.process, told.said) == ("api", "pod-a", "7", SAID)
    assert 0 <= told.age_s < 5


def test_the_newest_of_both_hashes_counts(stores, reader):
    stores[0].publish("api:pod-a:7", SAID)
    wait_for(lambda: reader.read()[0].age_s > 0.1)
    stores[1].publish("api:pod-a:7", SAID | {"arrivals": 91})
    assert [told.said["arrivals"] for told in reader.read()] == [91]


def test_what_is_no_processs_is_left_out(servers, stores, reader):
    stores[0].publish("api:pod-a:7", SAID)
    stores[0].publish("of:another:release:altogether", {})
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        node = cluster.of_slot(1914)
        node.call([("HSET", KEYS[0], "api:pod-b:1", "12 {not json"), ("HSET", KEYS[0], "api:pod-c:1", b"\xff\xfe")])
    finally:
        cluster.close()
    assert [told.pod for told in reader.read()] == ["pod-a"]


def test_the_dead_are_dropped_by_who_still_writes(servers, stores, monkeypatch, reader):
    monkeypatch.setattr(load_report_store, "KEPT_S", 1)
    stores[0].publish("api:dead:1", SAID)

    def only_the_living_is_left() -> bool:
        stores[0].publish("api:alive:1", SAID)
        return {told.pod for told in reader.read()} == {"alive"}

    wait_for(only_the_living_is_left)
    wait_for(lambda: reader.read() == [], every_s=0.1)  # nobody writes any more: the hash expires


def test_fields_from_the_future_are_dropped_and_what_is_no_number_stops_nobody(servers, stores, monkeypatch, reader):
    monkeypatch.setattr(load_report_store, "KEPT_S", 1)
    stores[0].publish("api:alive:1", SAID)
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        hash_of = cluster.of_slot(1914)
        ahead_us = int((time.time() + 18_000) * 1e6)  # as a clock leaves them that goes back by five hours
        for field, value in (("api:ahead:1", f"{ahead_us} {{}}"), ("api:odd:1", "odd {}"), ("swept", "odd")):
            assert hash_of.call([("HSET", KEYS[0], field, value)]) == [1 - (field == "swept")]

        def only_the_living_is_left() -> bool:
            stores[0].publish("api:alive:1", SAID)
            fields = hash_of.call([("HKEYS", KEYS[0])])[0]
            return set(fields) == {b"api:alive:1", b"swept"}

        wait_for(only_the_living_is_left)
    finally:
        cluster.close()


def test_a_full_redis_still_takes_them(servers, stores, reader):
    cluster = Cluster(servers.settings.redis_urls, timeout_s=1)
    try:
        before = cluster.primaries()[0].call([("CONFIG", "GET", "maxmemory")])[0][1]
        for node in cluster.primaries():
            node.call([("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory-policy", "noeviction")])
        stores[0].publish("api:pod-a:7", SAID)
        assert [told.pod for told in reader.read()] == ["pod-a"]
    finally:
        for node in cluster.primaries():
            node.call([("CONFIG", "SET", "maxmemory", before), ("CONFIG", "SET", "maxmemory-policy", "volatile-lru")])
        cluster.close()


def test_nobody_there_is_an_error_in_one_sentence():
    stores = SignalHashes(RedisSettings(redis_urls="redis://127.0.0.1:1", redis_timeout_ms=200))
    with pytest.raises(SignalsUnavailableError, match=r"signals can't be read: .*127\.0\.0\.1:1"):
        stores.read()
    stores.close()


def test_a_process_tells_by_itself_and_takes_it_back_at_the_end(stores, reader, monkeypatch):
    monkeypatch.setenv("HOSTNAME", "likewise-api-x1")
    reporter = LoadReporter("api", lambda: SAID, stores, every_s=0.05)
    reporter.start()
    wait_for(lambda: [told.pod for told in reader.read()] == ["likewise-api-x1"])
    reporter.close()
    assert reader.read() == []


def test_requests_of_a_pod_are_seen_with_their_posts(servers, reader):
    app = create_app(servers.with_settings(signal_ms=100, mint_limit="1000/second"))
    client = app.test_client()
    runtime_of(app).start()
    try:
        source = RedisSource(reader)

        def posts_are_seen() -> bool:
            for _ in range(5):
                client.put("/v1/posts/viral/like")
            client.get("/v1/posts/quiet/count")
            seen = source.read(time.time())
            return bool(seen.pods) and seen.pods[0].arrivals > 0 and [one.post for one in seen.posts][:1] == ["viral"]

        wait_for(posts_are_seen)
        assert 0 <= source.read(time.time()).pods[0].busy <= 1
    finally:
        runtime_of(app).close()
    assert reader.read() == []


def test_a_flusher_tells_of_the_backlog(servers, reader):
    with open_flushers(servers.with_settings(signal_ms=100, metrics_port=0)):
        wait_for(lambda: signals_of(reader.read(), 100.0).backlog)


def told(pod: str, process: str = "1", age_s: float = 0.2, role: str = "api", **changes: object) -> Told:
    return Told(role, pod, process, age_s, (SAID if role == "api" else FLUSHED) | changes)


def test_workers_of_a_pod_are_one_sample():
    (pod,) = signals_of([told("a"), told("a", "2", 0.4, busy=0.9, ready_s=5)], 1_000.0).pods
    assert (pod.pod, pod.at, pod.arrivals, pod.queue) == ("a", 999.8, 180, 6)
    assert (pod.busy, pod.ready_s) == (0.7, 5)


def test_a_worker_that_was_replaced_does_not_count_twice():
    (pod,) = signals_of([told("a"), told("a", "2", 9.0)], 1_000.0).pods
    assert pod.arrivals == 90


def test_a_dead_worker_ahead_of_the_clock_does_not_silence_the_living():
    (pod,) = signals_of([told("a"), told("a", "2", -300.0)], 1_000.0).pods
    assert (pod.at, pod.arrivals) == (999.8, 90)
    flushed = [told("f", role="flusher"), told("g", age_s=-300, role="flusher", pending=9_000)]
    backlog = signals_of(flushed, 1_000.0).backlog
    assert backlog
    assert (backlog.at, backlog.pending) == (999.8, 500)


def test_posts_are_added_up_over_pods_that_still_speak():
    posts = signals_of([told("a"), told("b", posts=[["b", 50], ["a", 20]]), told("c", age_s=9)], 1_000.0).posts
    assert posts == (PostRate("a", 60.0), PostRate("b", 50.0))


def test_the_backlog_is_the_most_that_a_flusher_sees():
    flushed = [
        told("f", role="flusher"),
        told("g", role="flusher", pending=700, age_s=0.5),
        told("h", "1", 60, "flusher"),
    ]
    backlog = signals_of(flushed, 1_000.0).backlog
    assert backlog
    assert (backlog.pending, backlog.age_s, backlog.settled, backlog.at) == (700, 1.5, 400, 999.8)
    assert signals_of([], 1_000.0).backlog is None


def test_a_clock_that_went_back_gives_figures_from_the_future():
    (pod,) = signals_of([told("a", age_s=-30)], 1_000.0).pods
    assert pod.at == 1_030  # which the decision refuses


@pytest.mark.parametrize("wrong", [{"arrivals": "many"}, {"arrivals": None}, {"ready_s": []}])
def test_figures_of_another_release_are_silence(wrong):
    assert signals_of([told("a", **wrong)], 1_000.0).pods == ()


def test_a_meter_tells_what_came_since_the_last_look():
    clock, traffic, used = Clock(0.0), TrafficCounter(), [0.0]
    meter = LoadMeter(traffic, lambda: 0.25, clock=clock, cpu_s=lambda: used[0])
    traffic.arrived, traffic.answered, traffic.failed = 200, 180, 20
    traffic.posts.extend(["hot"] * 60 + ["cool"] * 20)
    clock.now, used[0] = 2.0, 1.5
    assert meter.measure() == {
        "arrivals": 100, "accepted": 80, "busy": 0.75, "queue": 36.62,  # 25 unread, and 0.75 of 20 - 4.5
        "in_flight": 20, "ready_s": 2,
        "posts": [("hot", 30), ("cool", 10)],
    }  # fmt: skip
    clock.now = 3.0
    assert meter.measure()["arrivals"] == 0


def test_more_posts_than_are_kept_are_a_sample_of_their_rate():
    clock, traffic = Clock(0.0), TrafficCounter()
    meter = LoadMeter(traffic, lambda: 0.0, clock=clock, cpu_s=lambda: 0.0)
    traffic.arrived = 10_000
    traffic.posts.extend(["a", "b"] * 5_000)
    clock.now = 1.0
    assert dict(meter.measure()["posts"]) == {"a": 5_000, "b": 5_000}
