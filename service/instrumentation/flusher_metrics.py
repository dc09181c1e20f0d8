"""The metrics of a flusher process. docs/reference/monitoring.md explains each."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.instrumentation.backlog import Backlog
from service.observability.histogram import DurationHistogram
from service.observability.metrics import POSTGRES_ERRORS, REDIS_ERRORS

DURABLE_BOUNDS_S = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30, 60)


class FlusherMetrics:
    """One registry, and each metric by the shards of a database, as the shard map names them: `0-127`."""

    def __init__(self, queue_bytes: int) -> None:
        self.registry = CollectorRegistry()
        self._queue_bytes = queue_bytes
        self._own()
        self.redis_away = self._single("likewise_redis_primaries_down", "Redis primaries that do not answer.")
        self.postgres_away = self._single("likewise_postgres_databases_down", "Postgres databases that do not answer.")
        self.drift = self._single(
            "likewise_inconsistent_posts",
            "Posts whose counts or rows do not agree, of the shards compared since this flusher began.",
        )
        self.compared = Counter("likewise_consistency_checks_total", "Shards compared.", registry=self.registry)
        for collector in (REDIS_ERRORS, POSTGRES_ERRORS):
            self.registry.register(collector)
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self.registry)

    def _own(self) -> None:
        self.pending = self._gauge("likewise_pending_likes", "Likes and unlikes counted in Redis, not in Postgres yet.")
        self.oldest_s = self._gauge("likewise_oldest_pending_seconds", "Age of the oldest of them.")
        self.fill = self._gauge(
            "likewise_queue_utilization_ratio", "Share of LIKEWISE_QUEUE_BYTES at the fullest Redis node."
        )
        self.silent = self._gauge(
            "likewise_unreachable_shards", "Shards whose Redis primary did not answer when last asked."
        )
        self.dead = self._gauge("likewise_dead_letters", "Likes and unlikes that Postgres refused, set aside.")
        self.flush_likes = Histogram(
            "likewise_flush_likes", "Likes and unlikes stored by one transaction.", ["shards"], registry=self.registry,
            buckets=(1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536),
        )  # fmt: skip
        self.flush_s = Histogram(
            "likewise_flush_duration_seconds", "Time of one transaction.", ["shards"], registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )  # fmt: skip
        text = "From a like's version, when it was counted, to its being committed in Postgres."
        self.durable_s = DurationHistogram("likewise_durability_lag_seconds", text, "shards", DURABLE_BOUNDS_S)
        self.registry.register(self.durable_s)

    def show(self, shards: str, backlog: Backlog) -> None:
        """Show how these shards stand, at each scrape."""
        self.pending.labels(shards).set_function(backlog.pending)
        self.oldest_s.labels(shards).set_function(backlog.oldest_s)
        self.fill.labels(shards).set_function(lambda: backlog.queued_bytes() / self._queue_bytes)
        self.silent.labels(shards).set_function(backlog.silent)
        self.dead.labels(shards).set_function(backlog.dead)
        self.durable_s.add_label(shards)
        self.flush_likes.labels(shards)
        self.flush_s.labels(shards)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["shards"], registry=self.registry)

    def _single(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)
