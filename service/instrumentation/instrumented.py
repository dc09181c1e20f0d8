"""Instrumented wrappers around a flusher's ports."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.core.queue import Batch, BatchStore, CommitResult, FencedError, Queue, ShardStatus
from service.errors import LikeStoreTimeoutError
from service.instrumentation.backlog import Backlog
from service.instrumentation.flusher_metrics import FlusherMetrics


@dataclass(slots=True)
class InstrumentedQueue:
    """A queue that records the backlog; see `service.core.queue.Queue`.

    Each round of a flusher begins with a poll, so `polled_at_s` tells when the last round began.
    """

    queue: Queue
    backlog: Backlog
    polled_at_s: float = field(default_factory=time.monotonic)
    shards: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        self.shards = self.queue.shards

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """Poll, and record each shard's status and which shards are unreachable."""
        self.polled_at_s = time.monotonic()
        statuses: list[ShardStatus] = []
        try:
            statuses = self.queue.poll(owner, lease_ms, shards)
        finally:
            self.backlog.record_poll(self.shards if shards is None else shards, statuses)
        return statuses

    def read(self, statuses: Sequence[ShardStatus], limit: int) -> list[Batch]:
        """Pass the call on."""
        return self.queue.read(statuses, limit)

    def read_through(self, batch: Batch, version: int) -> Batch:
        """Pass the call on."""
        return self.queue.read_through(batch, version)

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """Acknowledge, and subtract the entries from the backlog: the next poll may be a second away."""
        acknowledged = self.queue.acknowledge(committed)
        for (batch, _), is_removed in zip(committed, acknowledged, strict=True):
            if is_removed:
                self.backlog.record_acknowledged(batch.shard, len(batch.entries))
        return acknowledged

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        """Pass the call on."""
        return self.queue.dead_letter(batch, reason)

    def end_epoch(self, shard: int, epoch: int) -> None:
        """Pass the call on."""
        self.queue.end_epoch(shard, epoch)


@dataclass(slots=True)
class InstrumentedStore:
    """A store that observes its transactions; see `service.core.queue.BatchStore`."""

    store: BatchStore
    backlog: Backlog
    metrics: FlusherMetrics
    label: str

    def database_of(self, shard: int) -> int:
        """Pass the call on."""
        return self.store.database_of(shard)

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Commit, and observe the duration, the number of likes, and the time that each has waited."""
        began_s = time.perf_counter()
        try:
            outcomes = self.store.commit(batches)
        except LikeStoreTimeoutError:
            self.metrics.flush_timeouts.labels(self.label).inc()
            raise
        took_s = time.perf_counter() - began_s
        stored = [batch for batch, outcome in zip(batches, outcomes, strict=True) if isinstance(outcome, CommitResult)]
        if stored:
            self.metrics.flush_s.labels(self.label).observe(took_s)
            self.metrics.flush_likes.labels(self.label).observe(sum(len(batch.entries) for batch in stored))
        self.backlog.stored += sum(len(batch.entries) for batch in stored)
        for batch in stored:
            versions = [entry.version for entry in batch.entries]
            self.metrics.durability_lag_s.observe(self.label, versions, self.backlog.redis_time_us(batch.shard))
        return outcomes
