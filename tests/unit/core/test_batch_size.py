"""The size of transactions: halved by timeouts, raised slowly, and never in the way of progress."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core import batch_size
from service.core.batch_size import BatchSize, BoundedStore
from service.core.flusher import Flusher
from service.core.queue import Batch, CommitResult, Entry, FencedError, RejectedError, ShardStatus, take
from service.errors import LikeStoreTimeoutError
from service.settings import Settings

DATABASES = 2


def entries(*versions: int) -> list[Entry]:
    return [Entry(f"{version}-0", version, "p", str(version), True, 1) for version in versions]


class SlowStore:
    """Streams of several shards and two databases, whose transactions hold only so many likes before they time out.

    `fits` has that number for each database. Postgres refuses the versions in `refused`. `sizes` has the number of
    likes of each commit that was tried. `stored` has the last stored version of each shard.
    """

    def __init__(self, lengths: Sequence[int], fits: Sequence[int], refused: Sequence[int] = ()) -> None:
        self.streams = {shard: entries(*range(1, length + 1)) for shard, length in enumerate(lengths)}
        self.shards = range(len(lengths))
        self.fits, self.refused = fits, refused
        self.stored = dict.fromkeys(self.shards, 0)
        self.dead: list[int] = []
        self.sizes: list[int] = []

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        polled = self.shards if shards is None else shards
        return [ShardStatus(shard, 1, True, len(self.streams[shard]), float(shard), 0) for shard in polled]

    def read(self, statuses: Sequence[ShardStatus], limit: int) -> list[Batch]:
        return [Batch(status.shard, 1, self.streams[status.shard][:limit]) for status in statuses]

    def read_through(self, batch: Batch, version: int) -> Batch:
        return Batch(batch.shard, 1, [one for one in self.streams[batch.shard] if one.version <= version])

    def database_of(self, shard: int) -> int:
        return shard % DATABASES

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        likes = sum(len(batch.entries) for batch in batches)
        self.sizes.append(likes)
        if likes > self.fits[self.database_of(batches[0].shard)]:
            raise LikeStoreTimeoutError
        if any(entry.version in self.refused for batch in batches for entry in batch.entries):
            raise RejectedError
        for batch in batches:
            self.stored[batch.shard] = max(self.stored[batch.shard], batch.last_version)
        return [CommitResult(self.stored[batch.shard], {f"post-{batch.last_version}": (1, 1)}) for batch in batches]

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        for batch, result in committed:
            assert self.streams[batch.shard][: len(batch.entries)] == batch.entries
            assert result.version == batch.last_version or self.refused
            del self.streams[batch.shard][: len(batch.entries)]
        return [True] * len(committed)

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        self.dead.append(batch.last_version)
        del self.streams[batch.shard][:1]
        return True

    def end_epoch(self, shard: int, epoch: int) -> None:
        raise AssertionError("no epoch is fenced off")


def flusher_of(store: SlowStore, flush_batch: int = 5_000) -> Flusher:
    return Flusher(store, store, Settings(flush_batch=flush_batch), owner="me")


def test_a_timeout_halves_the_transaction_and_one_like_is_always_allowed() -> None:
    size = BatchSize(largest=5_000, fast_s=2)
    limits = []
    for _ in range(4):
        size.record_timeout(min(size.limit, 10))
        limits.append(size.limit)
    assert limits == [5, 2, 1, 1]


def test_fast_transactions_that_are_nearly_full_raise_the_limit_by_a_quarter() -> None:
    size = BatchSize(largest=5_000, fast_s=2)
    size.record_timeout(200)
    size.record_commit(49, 0.1)
    size.record_commit(100, 2.0)
    assert size.limit == 100, "neither a small transaction nor a slow one raises it"
    size.record_commit(50, 1.9)
    assert size.limit == 125
    for _ in range(30):
        size.record_commit(size.limit, 0.1)
    assert size.limit == 5_000


def test_a_limit_of_one_grows() -> None:
    size = BatchSize(largest=5_000, fast_s=2)
    size.record_timeout(1)
    size.record_commit(1, 0.1)
    assert size.limit == 2


def test_a_slow_database_does_not_shrink_the_transactions_of_another() -> None:
    store = SlowStore([40, 40], fits=[10, 100])
    bounded = BoundedStore(store, largest=100, fast_s=2)
    with pytest.raises(LikeStoreTimeoutError):
        bounded.commit([Batch(0, 1, entries(*range(40)))])
    assert [bounded.limit(shard) for shard in range(4)] == [20, 100, 20, 100]


def test_many_shards_that_do_not_fit_into_one_transaction_are_split() -> None:
    store = SlowStore([3] * 64, fits=[20, 20])
    flusher = flusher_of(store)
    rounds = 0
    while any(store.streams.values()):
        flusher.flush_once()
        rounds += 1
        assert rounds < 10
    assert store.sizes[:2] == [96, 96]


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    fits=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    refused=st.sets(st.integers(1, 60), max_size=3),
)
def test_a_backlog_always_drains_if_one_like_fits(lengths: list[int], fits: tuple[int, int], refused: set[int]) -> None:
    store = SlowStore(lengths, fits, refused=sorted(refused))
    flusher = flusher_of(store, flush_batch=50)
    # These commits take no time, so the limit grows after each, and every second transaction may time out.
    for _ in range(2 * sum(lengths) + 20):
        flusher.flush_once()
    assert not any(store.streams.values())
    assert sorted(store.dead) == sorted(one for length in lengths for one in refused if one <= length)


def test_entries_that_another_flusher_has_stored_are_acknowledged_in_one_go() -> None:
    store = SlowStore([40], fits=[10, 10])
    store.stored[0] = 30
    flusher = flusher_of(store, flush_batch=8)
    assert flusher.flush_once() == 30
    # The first transaction returns version 30, so the batch is extended to it, and committed again in parts.
    assert store.sizes == [8, 8, 8, 8, 6]
    assert [one.version for one in store.streams[0]] == list(range(31, 41))


def test_the_counts_of_all_parts_are_acknowledged_together() -> None:
    store = SlowStore([20], fits=[10, 10])
    result = BoundedStore(store, largest=8, fast_s=0).commit_in_parts(Batch(0, 1, store.streams[0]))
    assert result == CommitResult(20, {f"post-{last}": (1, 1) for last in (8, 16, 20)})


def test_streams_that_grew_since_the_poll_do_not_enlarge_a_transaction() -> None:
    batches = [Batch(0, 1, entries(1, 2)), Batch(1, 1, []), Batch(2, 1, entries(1, 2, 3)), Batch(3, 1, entries(1))]
    assert [(batch.shard, len(batch.entries)) for batch in take(batches, 4)] == [(0, 2), (2, 2)]
    assert take(batches, 2) == batches[:1]


def test_a_round_ends_before_the_leases_do_and_the_oldest_likes_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SlowStore([30, 0, 30, 0, 30], fits=[100, 100])
    flusher = Flusher(store, store, Settings(flush_batch=30, lease_ms=1), owner="me")
    monkeypatch.setattr(batch_size.time, "monotonic", iter(range(1_000)).__next__)
    left = []
    for _ in range(3):
        flusher.flush_once()
        left.append([shard for shard, stream in store.streams.items() if stream])
    assert left == [[0, 2], [0], []]
