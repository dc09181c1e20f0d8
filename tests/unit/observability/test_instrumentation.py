"""What is told of a flusher's work, from what it sees alone."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from service.core.queue import Batch, CommitResult, Entry, FencedError, ShardStatus
from service.devstack.processes import HOST, free_ports
from service.errors import ConfigurationError, CounterUnavailableError
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


def polled(shard: int, length: int = 0, oldest_s: float = 0.0, *, leased: bool = True, **more: int) -> ShardStatus:
    return ShardStatus(shard, 1, leased, length, oldest_s, more.pop("dead", 0), more.pop("now_us", 0), **more)


def test_the_oldest_grows_older_while_nobody_looks():
    clock = Clock(100.0)
    backlog = Backlog(range(4), clock)
    backlog.record_poll(range(4), [polled(0, 3, 1.5), polled(1, 2, 0.5), polled(2)])
    assert (backlog.pending(), backlog.oldest_s()) == (5, 1.5)
    clock.now += 10
    assert backlog.oldest_s() == 11.5
    backlog.record_poll([0, 1], [polled(0), polled(1)])
    assert (backlog.pending(), backlog.oldest_s()) == (0, 0.0)


def test_what_is_settled_is_not_pending_until_the_next_look():
    backlog = Backlog(range(2), Clock(100.0))
    backlog.record_poll(range(2), [polled(0, 3, 1.5), polled(1, 9, 0.5)])
    backlog.record_acknowledged(0, 3)
    backlog.record_acknowledged(1, 5)
    assert (backlog.pending(), backlog.oldest_s()) == (4, 0.5)
    backlog.record_acknowledged(1, 5)  # one came after the look
    assert (backlog.pending(), backlog.oldest_s()) == (0, 0.0)


def test_at_anothers_shard_the_oldest_may_be_stored_by_now():
    clock = Clock(100.0)
    backlog = Backlog(range(1), clock)
    backlog.record_poll([0], [polled(0, 3, 1.0, leased=False)])
    clock.now += 10
    assert backlog.oldest_s() == 1.0


def test_a_shard_is_silent_from_a_look_without_an_answer_to_the_next_answer():
    backlog = Backlog(range(3), Clock())
    backlog.record_poll(range(3), [polled(0, queued_bytes=100), polled(1, 4, queued_bytes=900)])
    assert (backlog.unreachable_shards(), backlog.queued_bytes()) == (1, 900)
    backlog.record_poll([1], [])
    assert (backlog.unreachable_shards(), backlog.pending(), backlog.queued_bytes()) == (
        2,
        4,
        100,
    )  # its likes are still pending
    backlog.record_poll([1, 2], [polled(1), polled(2)])
    assert backlog.unreachable_shards() == 0


def test_only_leased_shards_are_held_and_dead_letters_are_added():
    backlog = Backlog(range(2), Clock())
    backlog.record_poll(range(2), [polled(0, dead=2), polled(1, leased=False, dead=1)])
    assert (backlog.leased_shards(), backlog.dead_letters()) == ([0], 3)


def test_the_counters_clock_goes_on_between_looks():
    clock = Clock(100.0)
    backlog = Backlog(range(1), clock)
    backlog.record_poll([0], [polled(0, now_us=5 * SECOND_US)])
    clock.now += 2
    assert backlog.redis_time_us(0) == 7 * SECOND_US


def test_many_durations_are_counted_as_if_each_were_observed():
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
    """A queue and a store of one shard, answering as they are told."""

    shards = range(1)

    def __init__(self) -> None:
        self.answers: list[ShardStatus] | None = []
        self.outcome: CommitResult | FencedError = CommitResult(0, {})

    def poll(self, owner, lease_ms, shards=None):
        if self.answers is None:
            raise CounterUnavailableError("away")
        return self.answers

    def commit(self, batches):
        return [self.outcome for _ in batches]


def test_a_flushers_calls_are_noted():
    monitor = FlusherMonitor(FlusherMetrics(QUEUE_BYTES))
    ports = Ports()
    queue, store = monitor.instrument("0-0", ports, ports)
    now_us = 1_000 * SECOND_US
    ports.answers = [polled(0, 2, 3.0, now_us=now_us, queued_bytes=250)]
    assert queue.poll("me", 1_000) == ports.answers
    batch = Batch(0, 1, [Entry(f"{at}-0", at, "p", "a", True, 1) for at in (now_us - 3 * SECOND_US, now_us)])
    store.commit([batch])
    ports.outcome = FencedError()
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
    assert value("durability_lag_seconds_bucket", le="1.0") == 1
    assert monitor.leased_shards() == [0]


def test_a_flusher_is_live_while_its_rounds_go_on():
    monitor = FlusherMonitor.with_settings(Settings())
    queue, _ = monitor.instrument("0-0", Ports(), Ports())
    assert monitor.is_live()
    queue.polled_at_s -= STUCK_S
    assert not monitor.is_live()
    queue.poll("me", 1_000)
    assert monitor.is_live()


class Databases:
    """Two shards, each of one post with a like in Postgres; Redis says what it is told."""

    def __init__(self) -> None:
        self.shown = {0: 1, 1: 1}
        self.away: list[str] = []
        self.looks: list[int] = []

    def check(self) -> list[str]:
        return self.away

    def poll(self, owner, lease_ms, shards=None):
        return [polled(shard) for shard in shards]

    def posts(self, shard):
        self.looks.append(shard)
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


def test_each_round_compares_the_next_shard_and_drift_ends_when_it_is_repaired_or_anothers():
    databases, metrics, leased = Databases(), FlusherMetrics(QUEUE_BYTES), [0, 1]
    checks = checks_of(databases, metrics, leased)

    def drift() -> float:
        checks.run()
        return metrics.registry.get_sample_value("likewise_inconsistent_posts")

    databases.shown = {0: 1, 1: 7}
    assert [drift(), drift(), drift()] == [0, 1, 1]
    assert databases.looks == [0, 1, 1, 1, 0]  # a disagreement is looked at three times
    databases.shown[1] = 1
    assert drift() == 0
    databases.shown[0] = 5
    assert drift() == 1
    leased.remove(0)
    assert drift() == 0


def test_what_differs_from_look_to_look_is_no_drift():
    databases, metrics = Databases(), FlusherMetrics(QUEUE_BYTES)
    shown = iter([5, 6, 7])
    databases.posts = lambda shard: [("post", {"b": next(shown), "p": 0, "k": 0, "e": 1, "r": 1, "members": -1})]
    checks_of(databases, metrics, [0]).run()
    assert metrics.registry.get_sample_value("likewise_inconsistent_posts") == 0


def test_servers_that_are_away_are_counted():
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


def test_metrics_and_life_are_served():
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
    with serve_metrics(HOST, port, registry, lambda: True):  # it was let go
        assert ask(port, "/livez")[0] == 200
