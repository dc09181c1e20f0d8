"""Folding and summing of batches, and the schedule of a flusher's rounds."""

from collections.abc import Sequence

from service.core.flusher import Flusher
from service.core.queue import Batch, CommitResult, Entry, FencedError, ShardStatus
from service.settings import Settings


def entry(version: int, post: str, actor: str, *, liked: bool, weight: int) -> Entry:
    return Entry(f"{version}-0", version, post, actor, liked, weight)


BATCH = Batch(
    shard=3,
    epoch=1,
    entries=[
        entry(10, "p", "anna", liked=True, weight=1),
        entry(11, "p", "ben", liked=True, weight=1),
        entry(12, "q", "anna", liked=True, weight=1),
        entry(13, "p", "anna", liked=False, weight=-1),
        entry(14, "q", "ben", liked=False, weight=0),
    ],
)


def test_the_last_request_of_each_actor_and_post_is_stored() -> None:
    assert {(one.post, one.actor): (one.liked, one.version) for one in BATCH.folded()} == {
        ("p", "anna"): (False, 13),
        ("p", "ben"): (True, 11),
        ("q", "anna"): (True, 12),
        ("q", "ben"): (False, 14),
    }
    assert len(BATCH.folded()) == 4


def test_sums_include_folded_entries() -> None:
    assert BATCH.sums() == {"p": (1, 3), "q": (1, 2)}
    assert BATCH.last_version == 14


class FakeStreams:
    """A queue of four shards with given lengths, and a store. `flushed` has the shards of each commit."""

    shards = range(4)

    def __init__(self, *lengths: int) -> None:
        self.lengths = dict(enumerate(lengths))
        self.polls: list[list[int]] = []
        self.flushed: list[list[int]] = []

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        polled = list(self.shards if shards is None else shards)
        self.polls += [polled] if lease_ms else []
        return [ShardStatus(shard, 1, lease_ms > 0, self.lengths[shard], 0.0, 0) for shard in polled]

    def read(self, statuses: Sequence[ShardStatus], limit: int) -> list[Batch]:
        lengths = {status.shard: min(limit, self.lengths[status.shard]) for status in statuses}
        return [
            Batch(shard, 1, [entry(at, "p", str(at), liked=True, weight=1) for at in range(1, length + 1)])
            for shard, length in lengths.items()
        ]

    def read_through(self, batch: Batch, version: int) -> Batch:
        raise AssertionError("there is no other flusher")

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        for batch, _ in committed:
            self.lengths[batch.shard] -= len(batch.entries)
        return [True] * len(committed)

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        raise AssertionError("no row is refused")

    def end_epoch(self, shard: int, epoch: int) -> None:
        raise AssertionError("no epoch is fenced off")

    def database_of(self, shard: int) -> int:
        return 0

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        self.flushed.append([batch.shard for batch in batches])
        return [CommitResult(batch.last_version, {}) for batch in batches]


def flusher_of(streams: FakeStreams, **settings: int) -> Flusher:
    return Flusher(streams, streams, Settings(**settings), owner="me")


def test_likes_of_several_shards_share_a_transaction() -> None:
    streams = FakeStreams(1, 0, 2, 3)
    assert flusher_of(streams).flush_once() == 6
    assert streams.flushed == [[0, 2, 3]]


def test_a_transaction_is_bounded() -> None:
    streams = FakeStreams(40, 40, 250, 60)
    assert flusher_of(streams, flush_batch=100).flush_once() == 240
    assert streams.flushed == [[0, 1], [2], [3]]
    assert streams.lengths[2] == 150


def test_between_sweeps_only_busy_shards_are_flushed() -> None:
    streams = FakeStreams(100, 3, 200, 0)
    flusher = flusher_of(streams, flush_age_ms=600_000, lease_ms=9_000_000)
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            streams.lengths = {0: 100, 1: 50, 2: 20, 3: 500}
        if waits == 4:
            flusher.stop()

    flusher.run(wait)
    everything = [0, 1, 2, 3]
    # The last poll is made by the stop.
    assert streams.polls == [everything, [0, 2], [0], everything]
    assert streams.flushed == [[0, 1, 2], [0], [1, 2, 3]]


def test_all_shards_are_polled_before_their_leases_end() -> None:
    streams = FakeStreams(0, 0, 0, 0)
    flusher = flusher_of(streams, flush_age_ms=600_000, lease_ms=1)

    def wait(seconds: float) -> None:
        if len(streams.polls) == 3:
            flusher.stop()

    flusher.run(wait)
    assert len(streams.polls) == 4
