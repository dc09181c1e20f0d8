"""A flusher's ports, observed: what it asks of Redis and Postgres, it asks through these."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.core.queue import Batch, BatchStore, CommitResult, FencedError, Queue, ShardStatus
from service.instrumentation.backlog import Backlog
from service.instrumentation.flusher_metrics import FlusherMetrics


@dataclass(slots=True)
class InstrumentedQueue:
    """See `service.core.queue.Queue`. Each round begins with a poll, so `beat_s` says when the last one ended."""

    queue: Queue
    backlog: Backlog
    beat_s: float = field(default_factory=time.monotonic)
    shards: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        self.shards = self.queue.shards

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """Notes how each shard stands, and which are silent."""
        self.beat_s = time.monotonic()
        polled: list[ShardStatus] = []
        try:
            polled = self.queue.poll(owner, lease_ms, shards)
        finally:
            self.backlog.note(self.shards if shards is None else shards, polled)
        return polled

    def read(self, polled: Sequence[ShardStatus], most: int) -> list[Batch]:
        return self.queue.read(polled, most)

    def read_through(self, batch: Batch, version: int) -> Batch:
        return self.queue.read_through(batch, version)

    def acknowledge(self, done: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """Notes what is no more pending: the next look at a shard with few likes is a second away."""
        acknowledged = self.queue.acknowledge(done)
        for (batch, _), gone in zip(done, acknowledged, strict=True):
            if gone:
                self.backlog.acknowledged(batch.shard, len(batch.entries))
        return acknowledged

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        return self.queue.dead_letter(batch, reason)

    def end_epoch(self, shard: int, epoch: int) -> None:
        self.queue.end_epoch(shard, epoch)


@dataclass(slots=True)
class InstrumentedStore:
    """See `service.core.queue.Store`."""

    store: BatchStore
    backlog: Backlog
    metrics: FlusherMetrics
    label: str

    def database_of(self, shard: int) -> int:
        return self.store.database_of(shard)

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Notes how many were stored, in which time, and how long each had waited."""
        began_s = time.perf_counter()
        outcomes = self.store.commit(batches)
        took_s = time.perf_counter() - began_s
        stored = [batch for batch, outcome in zip(batches, outcomes, strict=True) if isinstance(outcome, CommitResult)]
        if stored:
            self.metrics.flush_s.labels(self.label).observe(took_s)
            self.metrics.flush_likes.labels(self.label).observe(sum(len(batch.entries) for batch in stored))
        self.backlog.stored += sum(len(batch.entries) for batch in stored)
        for batch in stored:
            versions = [entry.version for entry in batch.entries]
            self.metrics.durable_s.observe(self.label, versions, self.backlog.counter_us(batch.shard))
        return outcomes
