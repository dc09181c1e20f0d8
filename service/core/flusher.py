"""The flusher: it moves likes from the Redis streams to Postgres, then acknowledges them.

Any number of flushers may run. Leases keep them from working on the same shard. Fencing rejects the writes of a flusher
that works on a shard without its lease.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from service.core.batch_size import BoundedStore
from service.core.queue import Batch, BatchStore, CommitResult, FencedError, Queue, RejectedError, ShardStatus, take
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
    _bounded: BoundedStore = field(init=False)
    _stopping: bool = False
    # By shard: the epoch that was fenced off, and the time when this was first observed.
    _fenced: dict[int, tuple[int, float]] = field(default_factory=dict)
    _busy_shards: list[int] = field(default_factory=list)
    _sweep_at: float = 0.0
    _is_behind: bool = False

    def __post_init__(self) -> None:
        # A batch may take five times as long as a lookup, so growing by a quarter from here does not time out.
        fast_s = self.settings.postgres_timeout_ms / 1000
        self._bounded = BoundedStore(self.store, self.settings.flush_batch, fast_s)

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
        busy = [one for one in waiting if one.length >= min(_BUSY_ENTRIES, self._bounded.limit(one.shard))]
        self._busy_shards = [status.shard for status in busy]
        by_database: dict[int, list[ShardStatus]] = defaultdict(list)
        for status in waiting if shards is None else busy:
            by_database[self.store.database_of(status.shard)].append(status)
        return sum(self._flush_database(of_database) for of_database in by_database.values())

    def _flush_database(self, statuses: list[ShardStatus]) -> int:
        """Flush the shards of a database, those with the oldest likes first, for at most half of the lease."""
        acknowledged = 0
        give_up = time.monotonic() + self.settings.lease_ms / 2000
        try:
            for group in self._bounded.group(sorted(statuses, key=lambda status: -status.oldest_s)):
                acknowledged += self._flush_group(group)
                if time.monotonic() > give_up:
                    # The next round renews the leases before it continues.
                    self._is_behind = True
                    break
        except (LikeStoreUnavailableError, CounterUnavailableError) as error:
            log.warning("flush postponed", reason=str(error), shards=len(statuses))
        return acknowledged

    def _flush_group(self, statuses: list[ShardStatus]) -> int:
        limit = self._bounded.limit(statuses[0].shard)
        # The streams may have grown since the poll.
        batches = take(self.queue.read(statuses, limit), limit)
        self._is_behind |= sum(len(batch.entries) for batch in batches) == limit
        return self._flush(batches) if batches else 0

    def _flush(self, batches: list[Batch]) -> int:
        try:
            outcomes = self._bounded.commit(batches)
        except RejectedError:
            return sum(self._flush_halves(batch) for batch in batches)
        return self._settle(self._without_fenced(batches, outcomes))

    def _settle(self, committed: list[tuple[Batch, CommitResult]]) -> int:
        acknowledged = self._acknowledge([pair for pair in committed if not _is_ahead(*pair)])
        return acknowledged + sum(self._read_through(*pair) for pair in committed if _is_ahead(*pair))

    def _flush_halves(self, batch: Batch) -> int:
        """Find the row that Postgres refuses by bisection, store the others, and make it a dead letter."""
        try:
            return self._acknowledge(self._without_fenced([batch], self._bounded.commit([batch])))
        except RejectedError as error:
            if len(batch.entries) == 1:
                log.error("dead letter", shard=batch.shard, entry=batch.entries[0].id, reason=str(error))
                return int(self.queue.dead_letter(batch, str(error)))
        middle = len(batch.entries) // 2
        halves = (batch.entries[:middle], batch.entries[middle:])
        return sum(self._flush_halves(Batch(batch.shard, batch.epoch, half)) for half in halves)

    def _read_through(self, batch: Batch, committed: CommitResult) -> int:
        """Extend the batch to what another flusher has stored, and acknowledge all of it.

        The count that Postgres returned includes those entries. They must leave the pending count together with the
        batch, or they would be counted twice.
        """
        longer = self.queue.read_through(batch, committed.version)
        if len(longer.entries) == len(batch.entries):
            return self._acknowledge([(batch, committed)])
        try:
            return self._settle(self._without_fenced([longer], [self._bounded.commit_in_parts(longer)]))
        except RejectedError:
            return sum(self._flush_halves(part) for part in longer.parts(self._bounded.limit(batch.shard)))

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
