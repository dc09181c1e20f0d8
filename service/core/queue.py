"""What a flusher moves, a shard's batch of entries, and the ports through which: streams in Redis, rows in Postgres."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.errors import LikewiseError


class FencedError(LikewiseError):
    """The shard has begun another life since the batch was read."""


class RejectedError(LikewiseError):
    """Postgres refuses a row of the batch."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in a shard's stream. `weight` is what it did to the count: -1, 0 or 1; `trace` is the wish's."""

    id: str
    version: int
    post: str
    actor: str
    liked: bool
    weight: int
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries from the head of one shard's stream, in order, read in one life."""

    shard: int
    epoch: int
    entries: list[Entry]

    @property
    def last_version(self) -> int:
        return self.entries[-1].version

    def folded(self) -> list[Entry]:
        """The highest version of each (post, actor)."""
        return list({(entry.post, entry.actor): entry for entry in self.entries}.values())

    def sums(self) -> dict[str, tuple[int, int]]:
        """What settling takes off each post: (weight, entries)."""
        weights: Counter[str] = Counter()
        for entry in self.entries:
            weights[entry.post] += entry.weight
        counts = Counter(entry.post for entry in self.entries)
        return {post: (weights[post], count) for post, count in counts.items()}


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The shard's highest stored version, and (count with seed, revision) of each post of the batch."""

    version: int
    bases: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """How a shard's stream stands. `oldest_s` is the age of its head, 0 where it is empty.

    `now_us` is the time that its versions are of; `queued_bytes` what its node holds in all streams.
    """

    shard: int
    epoch: int
    held: bool
    length: int
    oldest_s: float
    dead: int
    now_us: int = 0
    queued_bytes: int = 0


class Queue(Protocol):
    """The streams of all shards. Raises CounterUnavailableError."""

    shards: Sequence[int]

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """All shards, or some: those that answer, leased to `owner` where free. One that needs a life begins it."""

    def read(self, polled: Sequence[ShardStatus], most: int) -> list[Batch]:
        """At most `most` entries from the head of each; those of a node that is away are left out."""

    def read_through(self, batch: Batch, version: int) -> Batch:
        """The batch, with the entries after it up to a version. Raises where its node does not answer."""

    def acknowledge(self, done: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """Take each batch off its stream and re-base its posts; whether it was, in order."""

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        """As `settle`, of one entry that becomes a dead letter."""

    def end_epoch(self, shard: int, epoch: int) -> None:
        """End a life that the like_store has fenced off."""


class BatchStore(Protocol):
    """Where rows go. Raises LikeStoreUnavailableError."""

    def database_of(self, shard: int) -> int:
        """Which database holds the shard."""

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Store the batches of one database in one transaction. Raises RejectedError with nothing stored."""


def pending(polled: Iterable[ShardStatus]) -> int:
    """Entries not yet in Postgres."""
    return sum(one.length for one in polled)
