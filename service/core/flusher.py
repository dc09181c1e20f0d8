"""From the stream to Postgres, then settle. Any number may run: leases keep them apart, fencing keeps them harmless."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from service.core.queue import Batch, BatchStore, CommitResult, FencedError, Queue, RejectedError, ShardStatus
from service.errors import CounterUnavailableError, LikeStoreUnavailableError
from service.settings import Settings

log = structlog.get_logger(__name__)
_WORTH = 64  # entries of a shard from which on a batch of its own costs little more than a share in a large one


@dataclass(slots=True)
class Flusher:
    """Moves what is pending to Postgres until `stop` is called."""

    queue: Queue
    store: BatchStore
    settings: Settings
    owner: str
    _stopping: bool = False
    _fenced: dict[int, tuple[int, float]] = field(default_factory=dict)
    _busy: list[int] = field(default_factory=list)  # shards with so many likes that each round looks at them
    _sweep_at: float = 0.0
    _behind: bool = False

    def run(self, wait: Callable[[float], object] = time.sleep) -> None:
        """Flush in rounds; a part that is away is said once a round, and waited for."""
        while not self._stopping:
            started = time.monotonic()
            self._next_round(started)
            if not self._behind:
                wait(max(0.0, self.settings.flush_interval_ms / 1000 - (time.monotonic() - started)))
        self.drain()

    def _next_round(self, now: float) -> None:
        """All shards now and then, as a few likes of each cost nearly what many do; between, those with many."""
        self._behind = False
        if now >= self._sweep_at:
            self._sweep_at = now + min(self.settings.flush_age_ms, self.settings.lease_ms / 4) / 1000
            self._round()
        elif self._busy:
            self._round(self._busy)

    def stop(self) -> None:
        """End `run` after the round under way."""
        self._stopping = True

    def drain(self) -> None:
        """One more round, then the leases are given back so that others need not wait for them."""
        self._round()
        try:
            self.queue.poll(self.owner, 0)
        except CounterUnavailableError as error:
            log.warning("leases not given back", reason=str(error))

    def _round(self, shards: Sequence[int] | None = None) -> int:
        try:
            return self.flush_once(shards)
        except (CounterUnavailableError, LikeStoreUnavailableError) as error:
            log.warning("flush postponed", reason=str(error))
            return 0

    def flush_once(self, shards: Sequence[int] | None = None) -> int:
        """BatchStore what every leased shard holds, or those of some that hold many; how many entries were settled."""
        polled = [one for one in self.queue.poll(self.owner, self.settings.lease_ms, shards) if one.held and one.length]
        many = [one for one in polled if one.length >= _WORTH]
        self._busy = [one.shard for one in many]
        by_database: dict[int, list[ShardStatus]] = defaultdict(list)
        for one in polled if shards is None else many:
            by_database[self.store.database_of(one.shard)].append(one)
        return sum(self._flush_database(some) for some in by_database.values())

    def _flush_database(self, shards: list[ShardStatus]) -> int:
        done = 0
        try:
            for group in self._grouped(shards):
                done += self._flush_group(group)
        except (LikeStoreUnavailableError, CounterUnavailableError) as error:
            log.warning("flush postponed", reason=str(error), shards=len(shards))
        return done

    def _grouped(self, shards: list[ShardStatus]) -> list[list[ShardStatus]]:
        """As many as one transaction takes: after an outage all of them would be too long a statement."""
        groups: list[list[ShardStatus]] = []
        left = 0
        for one in shards:
            if one.length > left:
                groups.append([])
                left = self.settings.flush_batch
            groups[-1].append(one)
            left -= one.length
        return groups

    def _flush_group(self, shards: list[ShardStatus]) -> int:
        batches = [batch for batch in self.queue.read(shards, self.settings.flush_batch) if batch.entries]
        self._behind |= any(len(batch.entries) == self.settings.flush_batch for batch in batches)
        return self._flush(batches) if batches else 0

    def _flush(self, batches: list[Batch]) -> int:
        try:
            outcomes = self.store.commit(batches)
        except RejectedError:
            return sum(self._flush_halves(batch) for batch in batches)
        done = self._unfenced(batches, outcomes)
        acknowledged = self._acknowledge([pair for pair in done if not _is_ahead(*pair)])
        return acknowledged + sum(self._read_through(*pair) for pair in done if _is_ahead(*pair))

    def _flush_halves(self, batch: Batch) -> int:
        """Find the row that Postgres refuses; what is before it is stored, it becomes a dead letter."""
        try:
            return self._acknowledge(self._unfenced([batch], self.store.commit([batch])))
        except RejectedError as error:
            if len(batch.entries) == 1:
                log.error("dead letter", shard=batch.shard, entry=batch.entries[0].id, reason=str(error))
                return int(self.queue.dead_letter(batch, str(error)))
        middle = len(batch.entries) // 2
        halves = (batch.entries[:middle], batch.entries[middle:])
        return sum(self._flush_halves(Batch(batch.shard, batch.epoch, half)) for half in halves)

    def _read_through(self, batch: Batch, committed: CommitResult) -> int:
        """What another flusher stored beyond the batch is in the base, so it must leave p together with the batch."""
        longer = self.queue.read_through(batch, committed.version)
        if len(longer.entries) == len(batch.entries):
            return self._acknowledge([(batch, committed)])
        return self._flush([longer])

    def _acknowledge(self, done: list[tuple[Batch, CommitResult]]) -> int:
        acknowledged = self.queue.acknowledge(done)
        return sum(len(batch.entries) for (batch, _), gone in zip(done, acknowledged, strict=True) if gone)

    def _unfenced(
        self, batches: list[Batch], outcomes: list[CommitResult | FencedError]
    ) -> list[tuple[Batch, CommitResult]]:
        done = []
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, FencedError):
                self._on_fenced(batch)
            else:
                self._fenced.pop(batch.shard, None)
                done.append((batch, outcome))
        return done

    def _on_fenced(self, batch: Batch) -> None:
        """Wait for the slot map to settle; a server that still owns the slot then begins a life of its own."""
        epoch, since = self._fenced.setdefault(batch.shard, (batch.epoch, time.monotonic()))
        if epoch != batch.epoch:
            self._fenced[batch.shard] = (batch.epoch, time.monotonic())
        elif time.monotonic() - since > self.settings.redis_timeout_ms / 1000:
            log.warning("life fenced off, renewing", shard=batch.shard, epoch=batch.epoch)
            self.queue.end_epoch(batch.shard, batch.epoch)
            del self._fenced[batch.shard]


def _is_ahead(batch: Batch, committed: CommitResult) -> bool:
    return committed.version > batch.last_version
