"""The instrumentation of a flusher: backlog, metrics, liveness and consistency checks."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from service.core.queue import Batch, CommitResult, Entry, FencedError, ShardStatus
from service.devstack.processes import HOST, free_ports
from service.errors import ConfigurationError, CounterUnavailableError, LikeStoreTimeoutError
from service.instrumentation.backlog import Backlog
from service.instrumentation.consistency_checks import ConsistencyChecks
from service.instrumentation.flusher_metrics import FlusherMetrics
from service.instrumentation.monitor import STUCK_S, FlusherMonitor
from service.observability.histogram import DurationHistogram
from service.observability.metrics_server import serve_metrics
from service.settings import Settings
from tests.support.ratelimit_pods import Clock

SECOND_US = 1_000_000
QUEUE_BYTES = 1_000


def status(shard: int, length: int = 0, oldest_s: float = 0.0, *, leased: bool = True, **more: int) -> ShardStatus:
    return ShardStatus(shard, 1, leased, length, oldest_s, more.pop("dead", 0), more.pop("now_us", 0), **more)


def test_the_oldest_like_ages_between_polls():
    clock = Clock(100.0)
    backlog = Backlog(range(4), clock)
    backlog.record_poll(range(4), [status(0, 3, 1.5), status(1, 2, 0.5), status(2)])
    assert (backlog.pending(), backlog.oldest_s()) == (5, 1.5)
    clock.now += 10
    assert backlog.oldest_s() == 11.5
    backlog.record_poll([0, 1], [status(0), status(1)])
    assert (backlog.pending(), backlog.oldest_s()) == (0, 0.0)


def test_acknowledged_entries_leave_the_backlog_before_the_next_poll():
    backlog = Backlog(range(2), Clock(100.0))
    backlog.record_poll(range(2), [status(0, 3, 1.5), status(1, 9, 0.5)])
    backlog.record_acknowledged(0, 3)
    backlog.record_acknowledged(1, 5)
    assert (backlog.pending(), backlog.oldest_s()) == (4, 0.5)
    # One of the entries came after the poll.
    backlog.record_acknowledged(1, 5)
    assert (backlog.pending(), backlog.oldest_s()) == (0, 0.0)


def test_a_shard_of_another_flusher_does_not_age():
    clock = Clock(100.0)
    backlog = Backlog(range(1), clock)
    backlog.record_poll([0], [status(0, 3, 1.0, leased=False)])
    clock.now += 10
    assert backlog.oldest_s() == 1.0


def test_a_shard_is_unreachable_from_a_failed_poll_to_the_next_answer():
    backlog = Backlog(range(3), Clock())
    backlog.record_poll(range(3), [status(0, queued_bytes=100), status(1, 4, queued_bytes=900)])
    assert (backlog.unreachable_shards(), backlog.queued_bytes()) == (1, 900)
    backlog.record_poll([1], [])
    # The likes of an unreachable shard are still pending.
    assert (backlog.unreachable_shards(), backlog.pending()) == (2, 4)
    assert backlog.queued_bytes() == 100
    backlog.record_poll([1, 2], [status(1), status(2)])
    assert backlog.unreachable_shards() == 0


def test_leased_shards_and_dead_letters_are_reported():
    backlog = Backlog(range(2), Clock())
    backlog.record_poll(range(2), [status(0, dead=2), status(1, leased=False, dead=1)])
    assert (backlog.leased_shards(), backlog.dead_letters()) == ([0], 3)


def test_the_clock_of_redis_advances_between_polls():
    clock = Clock(100.0)
    backlog = Backlog(range(1), clock)
    backlog.record_poll([0], [status(0, now_us=5 * SECOND_US)])
    clock.now += 2
    assert backlog.redis_time_us(0) == 7 * SECOND_US


def test_a_batch_of_durations_is_counted_like_single_ones():
    registry = CollectorRegistry()
    durations = DurationHistogram("a_seconds", "Text.", "shards", (0.5, 1, 5))
    registry.register(durations)
    durations.add_label("0-1")
    now_us = 100 * SECOND_US
    durations.observe("0-1", [int(now_us - age_s * SECOND_US) for age_s in (9, 5, 1, 0.75, 0.5, 0.1, -1)], now_us)
    buckets = {
        le: registry.get_sample_value("a_seconds_bucket", {"shards": "0-1", "le": le})
        for le in ("0.5", "1.0", "5.0", "+Inf")
    }
    assert buckets == {"0.5": 3, "1.0": 5, "5.0": 6, "+Inf": 7}
    assert registry.get_sample_value("a_seconds_count", {"shards": "0-1"}) == 7
    assert registry.get_sample_value("a_seconds_sum", {"shards": "0-1"}) == pytest.approx(16.35)


class Ports:
    """A queue and a store of one shard, with given answers."""

    shards = range(1)

    def __init__(self) -> None:
        self.answers: list[ShardStatus] | None = []
        self.outcome: CommitResult | FencedError | LikeStoreTimeoutError = CommitResult(0, {})

    def poll(self, owner, lease_ms, shards=None):
        if self.answers is None:
            raise CounterUnavailableError("away")
        return self.answers

    def commit(self, batches):
        if isinstance(self.outcome, LikeStoreTimeoutError):
            raise self.outcome
        return [self.outcome for _ in batches]


def test_calls_of_a_flusher_are_observed():
    monitor = FlusherMonitor(FlusherMetrics(QUEUE_BYTES))
    ports = Ports()
    queue, store = monitor.instrument("0-0", ports, ports)
    now_us = 1_000 * SECOND_US
    ports.answers = [status(0, 2, 3.0, now_us=now_us, queued_bytes=250)]
    assert queue.poll("me", 1_000) == ports.answers
    batch = Batch(0, 1, [Entry(f"{at}-0", at, "p", "a", True, 1) for at in (now_us - 3 * SECOND_US, now_us)])
    store.commit([batch])
    ports.outcome = FencedError()
    store.commit([batch])
    ports.outcome = LikeStoreTimeoutError()
    with pytest.raises(LikeStoreTimeoutError):
        store.commit([batch])
    ports.answers = None
    with pytest.raises(CounterUnavailableError):
        queue.poll("me", 1_000)

    def value(name: str, **labels: str) -> float | None:
        return monitor.metrics.registry.get_sample_value(f"likewise_{name}", {"shards": "0-0", **labels})

    assert (value("pending_likes"), value("queue_utilization_ratio"), value("unreachable_shards")) == (2, 0.0, 1)
    assert (value("flush_likes_sum"), value("flush_duration_seconds_count"), value("durability_lag_seconds_count")) == (
        2,
        1,
        2,
    )
    assert value("flush_timeouts_total") == 1
    assert value("durability_lag_seconds_bucket", le="1.0") == 1
    assert monitor.leased_shards() == [0]


def test_a_flusher_is_live_while_it_polls():
    monitor = FlusherMonitor.with_settings(Settings())
    queue, _ = monitor.instrument("0-0", Ports(), Ports())
    assert monitor.is_live()
    queue.polled_at_s -= STUCK_S
    assert not monitor.is_live()
    queue.poll("me", 1_000)
    assert monitor.is_live()


class Databases:
    """Two shards, each with one post with a like in Postgres. `shown` has the counts of Redis."""

    def __init__(self) -> None:
        self.shown = {0: 1, 1: 1}
        self.away: list[str] = []
        self.compared: list[int] = []

    def check(self) -> list[str]:
        return self.away

    def poll(self, owner, lease_ms, shards=None):
        return [status(shard) for shard in shards]

    def posts(self, shard):
        self.compared.append(shard)
        yield "post", {"b": self.shown[shard], "p": 0, "k": 0, "e": 1, "r": 1, "members": -1}

    def all_counts(self, shard):
        return {"post": (1, 0)}

    def wrong_counts(self, shard):
        return []


def checks_of(databases: Databases, metrics: FlusherMetrics, leased: list[int]) -> ConsistencyChecks:
    return ConsistencyChecks(
        metrics,
        redis=databases,
        postgres=databases,
        redis_state=databases,
        postgres_state=databases,
        leased_shards=lambda: list(leased),
        interval_s=1,
    )


def test_each_round_compares_the_next_leased_shard():
    databases, metrics, leased = Databases(), FlusherMetrics(QUEUE_BYTES), [0, 1]
    checks = checks_of(databases, metrics, leased)

    def inconsistent_posts() -> float:
        checks.run()
        return metrics.registry.get_sample_value("likewise_inconsistent_posts")

    databases.shown = {0: 1, 1: 7}
    assert [inconsistent_posts() for _ in range(3)] == [0, 1, 1]
    # A difference is compared three times.
    assert databases.compared == [0, 1, 1, 1, 0]
    databases.shown[1] = 1
    assert inconsistent_posts() == 0
    databases.shown[0] = 5
    assert inconsistent_posts() == 1
    leased.remove(0)
    assert inconsistent_posts() == 0


def test_a_difference_that_changes_is_ignored():
    databases, metrics = Databases(), FlusherMetrics(QUEUE_BYTES)
    shown = iter([5, 6, 7])
    databases.posts = lambda shard: [("post", {"b": next(shown), "p": 0, "k": 0, "e": 1, "r": 1, "members": -1})]
    checks_of(databases, metrics, [0]).run()
    assert metrics.registry.get_sample_value("likewise_inconsistent_posts") == 0


def test_unreachable_servers_are_counted():
    databases, metrics = Databases(), FlusherMetrics(QUEUE_BYTES)
    databases.away = ["Postgres a does not answer", "Postgres b does not answer"]
    checks_of(databases, metrics, []).run()
    assert metrics.registry.get_sample_value("likewise_postgres_databases_down") == 2


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_and_liveness_are_served():
    registry = CollectorRegistry()
    Gauge("likewise_answer", "Text.", registry=registry).set(42)
    [port] = free_ports(1)
    live = True
    with serve_metrics(HOST, port, registry, lambda: live):
        status, text = ask(port, "/metrics")
        assert status == 200
        assert [sample.value for family in text_string_to_metric_families(text) for sample in family.samples] == [42]
        assert ask(port, "/livez")[0] == 200
        live = False
        assert ask(port, "/livez")[0] == 503
        assert ask(port, "/")[0] == 404
        taken = pytest.raises(ConfigurationError, match=f"LIKEWISE_METRICS_PORT: can't listen at {HOST}:{port}")
        with taken, serve_metrics(HOST, port, registry, lambda: True):
            pytest.fail("two servers listen at one port")
    # The port is free again.
    with serve_metrics(HOST, port, registry, lambda: True):
        assert ask(port, "/livez")[0] == 200
