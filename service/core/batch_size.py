"""The size of transactions: halved for a database that takes too long, and slowly raised again."""

import time
from dataclasses import dataclass, field

import structlog

from service.core.queue import Batch, BatchStore, CommitResult, FencedError, ShardStatus
from service.errors import LikeStoreTimeoutError

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class BatchSize:
    """The maximum number of likes in one transaction of a database: `limit`, from 1 to `largest`.

    A transaction that takes less than `fast_s` seconds lets the limit grow.
    """

    largest: int
    fast_s: float
    limit: int = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self.largest

    def record_timeout(self, likes: int) -> None:
        """Allow half of a transaction that took too long, and always one like."""
        self.limit = max(1, min(self.limit, likes // 2))

    def record_commit(self, likes: int, duration_s: float) -> None:
        """Grow by a quarter after a fast transaction of at least half the limit. A smaller one proves nothing."""
        if duration_s < self.fast_s and 2 * likes >= self.limit:
            self.limit = min(self.largest, self.limit + max(1, self.limit // 4))


@dataclass(slots=True)
class BoundedStore:
    """A store that adapts the size of transactions to each database.

    `fast_s` is well below the time after which the store gives up, so that growing does not lead to a timeout.
    """

    store: BatchStore
    largest: int
    fast_s: float
    _sizes: dict[int, BatchSize] = field(default_factory=dict)

    def limit(self, shard: int) -> int:
        """Return the maximum number of likes in one transaction of the shard's database."""
        return self._size(shard).limit

    def group(self, statuses: list[ShardStatus]) -> list[list[ShardStatus]]:
        """Split the shards of a database into groups of one transaction each, by the lengths of their streams."""
        groups: list[list[ShardStatus]] = []
        room = 0
        for status in statuses:
            if status.length > room:
                groups.append([])
                room = self.limit(status.shard)
            groups[-1].append(status)
            room -= status.length
        return groups

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Store the batches; see `service.core.queue.BatchStore`. The caller reads them again after a timeout."""
        size, likes = self._size(batches[0].shard), sum(len(batch.entries) for batch in batches)
        started = time.monotonic()
        try:
            outcomes = self.store.commit(batches)
        except LikeStoreTimeoutError:
            size.record_timeout(likes)
            log.warning("flush took too long, batches are halved", likes=likes, limit=size.limit)
            raise
        size.record_commit(likes, time.monotonic() - started)
        return outcomes

    def commit_in_parts(self, batch: Batch) -> CommitResult | FencedError:
        """Store a batch of any length in several transactions, and return the result as if it were one.

        The counts belong together only if no part returns a version above the batch. The caller checks that.
        """
        version, counts = 0, dict[str, tuple[int, int]]()
        for part in batch.parts(self.limit(batch.shard)):
            [outcome] = self.commit([part])
            if isinstance(outcome, FencedError):
                return outcome
            version = outcome.version
            counts |= outcome.counts
        return CommitResult(version, counts)

    def _size(self, shard: int) -> BatchSize:
        return self._sizes.setdefault(self.store.database_of(shard), BatchSize(self.largest, self.fast_s))
