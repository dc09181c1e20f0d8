"""The flusher: it moves likes from the Redis streams to Postgres, then acknowledges them.

Any number of flushers may run. Leases keep them from working on the same shard. Fencing rejects the writes of a flusher
that works on a shard without its lease.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from service.core.queue import Batch, BatchStore, CommitResult, FencedError, Queue, RejectedError, ShardStatus
from service.errors import CounterUnavailableError, LikeStoreUnavailableError
from service.settings import Settings

log = structlog.get_logger(__name__)

# A shard with this many entries is flushed in every round: a separate batch costs little more per entry.
_BUSY_ENTRIES = 64


@dataclass(slots=True)
class Flusher:
    """Moves pending likes to Postgres until `stop` is called."""

    queue: Queue
    store: BatchStore
    settings: Settings
    owner: str
    _stopping: bool = False
    # By shard: the epoch that was fenced off, and the time when this was first observed.
    _fenced: dict[int, tuple[int, float]] = field(default_factory=dict)
    _busy_shards: list[int] = field(default_factory=list)
    _sweep_at: float = 0.0
    _is_behind: bool = False

    def run(self, wait: Callable[[float], object] = time.sleep) -> None:
        """Flush in rounds until `stop`. A server that does not answer is logged and tried again in the next round."""
        while not self._stopping:
            started = time.monotonic()
            self._run_round(started)
            if not self._is_behind:
                wait(max(0.0, self.settings.flush_interval_ms / 1000 - (time.monotonic() - started)))
        self.drain()

    def _run_round(self, now: float) -> None:
        """Flush all shards when the sweep is due, and only the busy ones between sweeps.

        A few likes of a shard cost nearly as much to store as many, so shards with few likes wait for the sweep.
        """
        self._is_behind = False
        if now >= self._sweep_at:
            self._sweep_at = now + min(self.settings.flush_age_ms, self.settings.lease_ms / 4) / 1000
            self._try_flush()
        elif self._busy_shards:
            self._try_flush(self._busy_shards)

    def stop(self) -> None:
        """Make `run` return after the current round."""
        self._stopping = True

    def drain(self) -> None:
        """Flush all shards once more, then release the leases so that other flushers need not wait for them."""
        self._try_flush()
        try:
            self.queue.poll(self.owner, 0)
        except CounterUnavailableError as error:
            log.warning("leases not released", reason=str(error))

    def _try_flush(self, shards: Sequence[int] | None = None) -> int:
        try:
            return self.flush_once(shards)
        except (CounterUnavailableError, LikeStoreUnavailableError) as error:
            log.warning("flush postponed", reason=str(error))
            return 0

    def flush_once(self, shards: Sequence[int] | None = None) -> int:
        """Store the entries of every leased shard, or of the busy ones among `shards`.

        Return the number of entries acknowledged.
        """
        statuses = self.queue.poll(self.owner, self.settings.lease_ms, shards)
        waiting = [status for status in statuses if status.leased and status.length]
        busy = [status for status in waiting if status.length >= _BUSY_ENTRIES]
        self._busy_shards = [status.shard for status in busy]
        by_database: dict[int, list[ShardStatus]] = defaultdict(list)
        for status in waiting if shards is None else busy:
            by_database[self.store.database_of(status.shard)].append(status)
        return sum(self._flush_database(of_database) for of_database in by_database.values())

    def _flush_database(self, statuses: list[ShardStatus]) -> int:
        acknowledged = 0
        try:
            for group in self._group(statuses):
                acknowledged += self._flush_group(group)
        except (LikeStoreUnavailableError, CounterUnavailableError) as error:
            log.warning("flush postponed", reason=str(error), shards=len(statuses))
        return acknowledged

    def _group(self, statuses: list[ShardStatus]) -> list[list[ShardStatus]]:
        """Split the shards into groups of `flush_batch` entries: after an outage, one statement would take too long."""
        groups: list[list[ShardStatus]] = []
        room = 0
        for status in statuses:
            if status.length > room:
                groups.append([])
                room = self.settings.flush_batch
            groups[-1].append(status)
            room -= status.length
        return groups

    def _flush_group(self, statuses: list[ShardStatus]) -> int:
        batches = [batch for batch in self.queue.read(statuses, self.settings.flush_batch) if batch.entries]
        self._is_behind |= any(len(batch.entries) == self.settings.flush_batch for batch in batches)
        return self._flush(batches) if batches else 0

    def _flush(self, batches: list[Batch]) -> int:
        try:
            outcomes = self.store.commit(batches)
        except RejectedError:
            return sum(self._flush_halves(batch) for batch in batches)
        committed = self._without_fenced(batches, outcomes)
        acknowledged = self._acknowledge([pair for pair in committed if not _is_ahead(*pair)])
        return acknowledged + sum(self._read_through(*pair) for pair in committed if _is_ahead(*pair))

    def _flush_halves(self, batch: Batch) -> int:
        """Find the row that Postgres refuses by bisection, store the others, and make it a dead letter."""
        try:
            return self._acknowledge(self._without_fenced([batch], self.store.commit([batch])))
        except RejectedError as error:
            if len(batch.entries) == 1:
                log.error("dead letter", shard=batch.shard, entry=batch.entries[0].id, reason=str(error))
                return int(self.queue.dead_letter(batch, str(error)))
        middle = len(batch.entries) // 2
        halves = (batch.entries[:middle], batch.entries[middle:])
        return sum(self._flush_halves(Batch(batch.shard, batch.epoch, half)) for half in halves)

    def _read_through(self, batch: Batch, committed: CommitResult) -> int:
        """Extend the batch to what another flusher has stored, and flush it again.

        The count that Postgres returned includes those entries. They must leave the pending count together with the
        batch, or they would be counted twice.
        """
        longer = self.queue.read_through(batch, committed.version)
        if len(longer.entries) == len(batch.entries):
            return self._acknowledge([(batch, committed)])
        return self._flush([longer])

    def _acknowledge(self, committed: list[tuple[Batch, CommitResult]]) -> int:
        removed = self.queue.acknowledge(committed)
        return sum(len(batch.entries) for (batch, _), is_removed in zip(committed, removed, strict=True) if is_removed)

    def _without_fenced(
        self, batches: list[Batch], outcomes: list[CommitResult | FencedError]
    ) -> list[tuple[Batch, CommitResult]]:
        committed = []
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, FencedError):
                self._on_fenced(batch)
            else:
                self._fenced.pop(batch.shard, None)
                committed.append((batch, outcome))
        return committed

    def _on_fenced(self, batch: Batch) -> None:
        """End the epoch if it is still fenced off after the slot map had time to change.

        The batch may come from a primary that was replaced. A server that still owns the slot starts a new epoch.
        """
        epoch, since = self._fenced.setdefault(batch.shard, (batch.epoch, time.monotonic()))
        if epoch != batch.epoch:
            self._fenced[batch.shard] = (batch.epoch, time.monotonic())
        elif time.monotonic() - since > self.settings.redis_timeout_ms / 1000:
            log.warning("epoch fenced off, starting another", shard=batch.shard, epoch=batch.epoch)
            self.queue.end_epoch(batch.shard, batch.epoch)
            del self._fenced[batch.shard]


def _is_ahead(batch: Batch, committed: CommitResult) -> bool:
    return committed.version > batch.last_version
