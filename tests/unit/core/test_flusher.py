"""Folding a batch, what settling takes off, and when a flusher looks at which shards."""

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


def test_the_last_wish_of_each_actor_and_post_is_stored() -> None:
    assert {(one.post, one.actor): (one.liked, one.version) for one in BATCH.folded()} == {
        ("p", "anna"): (False, 13),
        ("p", "ben"): (True, 11),
        ("q", "anna"): (True, 12),
        ("q", "ben"): (False, 14),
    }
    assert len(BATCH.folded()) == 4


def test_settling_takes_off_every_entry_also_the_folded() -> None:
    assert BATCH.sums() == {"p": (1, 3), "q": (1, 2)}
    assert BATCH.last_version == 14


class Streams:
    """A queue of four shards by their lengths, and a store that takes all; `flushed` has the shards of each commit."""

    shards = range(4)

    def __init__(self, *lengths: int) -> None:
        self.lengths = dict(enumerate(lengths))
        self.polls: list[list[int]] = []
        self.flushed: list[list[int]] = []

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        asked = list(self.shards if shards is None else shards)
        self.polls += [asked] if lease_ms else []
        return [ShardStatus(shard, 1, lease_ms > 0, self.lengths[shard], 0.0, 0) for shard in asked]

    def read(self, polled: Sequence[ShardStatus], most: int) -> list[Batch]:
        lengths = {one.shard: min(most, self.lengths[one.shard]) for one in polled}
        return [
            Batch(shard, 1, [entry(at, "p", str(at), liked=True, weight=1) for at in range(1, length + 1)])
            for shard, length in lengths.items()
        ]

    def read_through(self, batch: Batch, version: int) -> Batch:
        raise AssertionError("nobody else is here")

    def acknowledge(self, done: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        for batch, _ in done:
            self.lengths[batch.shard] -= len(batch.entries)
        return [True] * len(done)

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        raise AssertionError("nothing is refused here")

    def end_epoch(self, shard: int, epoch: int) -> None:
        raise AssertionError("nobody is fenced here")

    def database_of(self, shard: int) -> int:
        return 0

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        self.flushed.append([batch.shard for batch in batches])
        return [CommitResult(batch.last_version, {}) for batch in batches]


def flusher_of(streams: Streams, **settings: int) -> Flusher:
    return Flusher(streams, streams, Settings(**settings), owner="me")


def test_few_likes_of_many_shards_are_stored_together() -> None:
    streams = Streams(1, 0, 2, 3)
    assert flusher_of(streams).flush_once() == 6
    assert streams.flushed == [[0, 2, 3]]


def test_a_transaction_has_a_bound() -> None:
    streams = Streams(40, 40, 250, 60)
    assert flusher_of(streams, flush_batch=100).flush_once() == 240
    assert streams.flushed == [[0, 1], [2], [3]]
    assert streams.lengths[2] == 150


def test_between_the_looks_at_all_shards_only_those_with_many_likes_are_flushed() -> None:
    streams = Streams(100, 3, 200, 0)
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
    assert streams.polls == [everything, [0, 2], [0], everything]  # the last as it stops
    assert streams.flushed == [[0, 1, 2], [0], [1, 2, 3]]


def test_all_shards_are_looked_at_while_their_leases_last() -> None:
    streams = Streams(0, 0, 0, 0)
    flusher = flusher_of(streams, flush_age_ms=600_000, lease_ms=1)

    def wait(seconds: float) -> None:
        if len(streams.polls) == 3:
            flusher.stop()

    flusher.run(wait)
    assert len(streams.polls) == 4
