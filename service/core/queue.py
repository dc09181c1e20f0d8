"""Batches of queued likes, and the ports that a flusher moves them through."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from service.errors import LikewiseError


class FencedError(LikewiseError):
    """The shard began another epoch after the batch was read."""


class RejectedError(LikewiseError):
    """Postgres refuses a row of the batch."""


class Entry(NamedTuple):
    """One change in a shard's stream. A tuple, because flushers make one of each like.

    `weight` is its effect on the count: -1, 0 or 1. `trace` is the W3C `traceparent` of its request, or empty.
    """

    id: str
    version: int
    post: str
    actor: str
    liked: bool
    weight: int
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries from the head of one shard's stream, in order, all read in one epoch."""

    shard: int
    epoch: int
    entries: list[Entry]

    @property
    def last_version(self) -> int:
        """The version of the last entry."""
        return self.entries[-1].version

    def folded(self) -> list[Entry]:
        """Return the entry with the highest version of each post and actor."""
        return list({(entry.post, entry.actor): entry for entry in self.entries}.values())

    def sums(self) -> dict[str, tuple[int, int]]:
        """Return (weight, entries) of each post: what an acknowledgement subtracts from its pending count."""
        sums: dict[str, tuple[int, int]] = {}
        for entry in self.entries:
            weight, entries = sums.get(entry.post, (0, 0))
            sums[entry.post] = weight + entry.weight, entries + 1
        return sums

    def parts(self, limit: int) -> list["Batch"]:
        """Split the batch into batches of at most `limit` entries, in order."""
        starts = range(0, len(self.entries), limit)
        return [Batch(self.shard, self.epoch, self.entries[start : start + limit]) for start in starts]


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The outcome of a stored batch.

    `version` is the highest version stored for the shard. `counts` maps each post to (count with seed, revision).
    """

    version: int
    counts: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """The state of a shard's stream.

    `leased` is True if the caller owns the lease. `oldest_s` is the age of the first entry, 0 for an empty stream.
    `now_us` is the time of the Redis server that assigns the versions, in µs since 1970.
    `queued_bytes` is the size of all streams on that server.
    """

    shard: int
    epoch: int
    leased: bool
    length: int
    oldest_s: float
    dead_letters: int
    now_us: int = 0
    queued_bytes: int = 0


class Queue(Protocol):
    """The streams of all shards. Raises CounterUnavailableError."""

    shards: Sequence[int]

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        """Lease free shards to `owner`, and return the status of each shard that answers.

        `shards` None means all shards. An empty `owner` takes no lease; `lease_ms` 0 gives leases back.
        A shard that needs a new epoch starts it, and is left out of the result.
        """

    def read(self, statuses: Sequence[ShardStatus], limit: int) -> list[Batch]:
        """Return up to `limit` entries from the head of each stream, leaving out nodes that do not answer."""

    def read_through(self, batch: Batch, version: int) -> Batch:
        """Return the batch extended by the entries after it, up to `version`. Raises if the node does not answer."""

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        """Remove each batch from its stream and store the new counts. Return whether each was removed, in order."""

    def dead_letter(self, batch: Batch, reason: str) -> bool:
        """Acknowledge a batch of one entry, and move the entry to the dead letters."""

    def end_epoch(self, shard: int, epoch: int) -> None:
        """End an epoch that Postgres has fenced off."""


class BatchStore(Protocol):
    """The database of all likes, as a flusher uses it. Raises LikeStoreUnavailableError."""

    def database_of(self, shard: int) -> int:
        """Return the number of the database that holds the shard."""

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Store the batches of one database in one transaction.

        Raises RejectedError or LikeStoreTimeoutError with nothing stored, unless the time ran out during the commit.
        """


def take(batches: Iterable[Batch], limit: int) -> list[Batch]:
    """Return the first `limit` entries of the batches, in order. Batches without entries are left out."""
    taken = []
    for batch in batches:
        if batch.entries and limit > 0:
            taken.append(batch.parts(limit)[0])
            limit -= len(taken[-1].entries)
    return taken


def pending(statuses: Iterable[ShardStatus]) -> int:
    """Return the number of entries that are not in Postgres yet."""
    return sum(status.length for status in statuses)
