"""The metrics of a flusher process; docs/reference/monitoring.md explains each."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.instrumentation.backlog import Backlog
from service.observability.histogram import DurationHistogram
from service.observability.metrics import POSTGRES_ERRORS, REDIS_ERRORS

DURABILITY_LAG_BOUNDS_S = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30, 60)


class FlusherMetrics:
    """The registry of a flusher process.

    The label `shards` has the shards of one database, as in the shard map: `0-127`.
    """

    def __init__(self, queue_bytes: int) -> None:
        self.registry = CollectorRegistry()
        self._queue_bytes = queue_bytes
        self._add_backlog_gauges()
        self._add_histograms()
        self._add_check_metrics()
        for collector in (REDIS_ERRORS, POSTGRES_ERRORS):
            self.registry.register(collector)
        for process_collector in (ProcessCollector, PlatformCollector, GCCollector):
            process_collector(registry=self.registry)

    def _add_backlog_gauges(self) -> None:
        self.pending = self._gauge("likewise_pending_likes", "Likes and unlikes counted in Redis, not in Postgres yet.")
        self.oldest_s = self._gauge("likewise_oldest_pending_seconds", "Age of the oldest pending like.")
        self.queue_utilization = self._gauge(
            "likewise_queue_utilization_ratio", "Share of LIKEWISE_QUEUE_BYTES in use on the fullest Redis node."
        )
        self.unreachable_shards = self._gauge(
            "likewise_unreachable_shards", "Shards whose Redis primary did not answer the last poll."
        )
        self.dead_letters = self._gauge(
            "likewise_dead_letters", "Likes and unlikes that Postgres refused, kept in dead-letter streams."
        )

    def _add_histograms(self) -> None:
        self.flush_likes = Histogram(
            "likewise_flush_likes", "Likes and unlikes stored by one transaction.", ["shards"], registry=self.registry,
            buckets=(1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536),
        )  # fmt: skip
        self.flush_s = Histogram(
            "likewise_flush_duration_seconds", "Duration of one transaction.", ["shards"], registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )  # fmt: skip
        self.flush_timeouts = Counter(
            "likewise_flush_timeouts_total",
            "Transactions that took too long. Each halves the batches of its database.",
            ["shards"],
            registry=self.registry,
        )
        self.durability_lag_s = DurationHistogram(
            "likewise_durability_lag_seconds",
            "Time from a like's version, when it was counted, to its commit in Postgres.",
            "shards",
            DURABILITY_LAG_BOUNDS_S,
        )
        self.registry.register(self.durability_lag_s)

    def _add_check_metrics(self) -> None:
        self.redis_primaries_down = Gauge(
            "likewise_redis_primaries_down", "Redis primaries that do not answer.", registry=self.registry
        )
        self.postgres_databases_down = Gauge(
            "likewise_postgres_databases_down", "Postgres databases that do not answer.", registry=self.registry
        )
        self.inconsistent_posts = Gauge(
            "likewise_inconsistent_posts",
            "Posts whose counts or rows do not agree, in the shards this flusher has compared.",
            registry=self.registry,
        )
        self.consistency_checks = Counter(
            "likewise_consistency_checks_total", "Shards compared.", registry=self.registry
        )

    def observe_backlog(self, shards: str, backlog: Backlog) -> None:
        """Read the gauges of these shards from `backlog` at each scrape."""
        self.pending.labels(shards).set_function(backlog.pending)
        self.oldest_s.labels(shards).set_function(backlog.oldest_s)
        self.queue_utilization.labels(shards).set_function(lambda: backlog.queued_bytes() / self._queue_bytes)
        self.unreachable_shards.labels(shards).set_function(backlog.unreachable_shards)
        self.dead_letters.labels(shards).set_function(backlog.dead_letters)
        self.durability_lag_s.add_label(shards)
        self.flush_likes.labels(shards)
        self.flush_s.labels(shards)
        self.flush_timeouts.labels(shards)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["shards"], registry=self.registry)
