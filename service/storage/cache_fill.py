"""Loading of counts from Postgres into Redis. Misses that wait at the same time share one query (single-flight)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.errors import LikeStoreUnavailableError
from service.storage.coalescer import Coalescer


@dataclass(frozen=True, slots=True)
class Query:
    """A post that is missing in Redis. `actor` is empty if only the count is needed."""

    shard: int
    post: str
    actor: str


@dataclass(frozen=True, slots=True)
class CountSnapshot:
    """The state of a post in Postgres.

    `count` includes the seed. `liked` is True if the actor of the query likes the post. `members` has all likers if
    they are few, else it is None.
    """

    count: int
    revision: int
    liked: bool
    members: list[str] | None


class SnapshotLoader(Protocol):
    """The source of snapshots. Raises LikeStoreUnavailableError."""

    def load(self, queries: list[Query]) -> list[CountSnapshot]:
        """Return the snapshots of posts of one database, in order. A post never stored has count 0 and no members."""

    def database_of(self, shard: int) -> int:
        """Return the number of the database that holds the shard."""


@dataclass(slots=True)
class _Lookup:
    query: Query
    snapshot: CountSnapshot | None = None


@dataclass(slots=True)
class CacheLoader:
    """Loads snapshots, with one query at a time for each database."""

    source: SnapshotLoader
    _coalescers: dict[int, Coalescer[_Lookup]] = field(default_factory=dict)

    def load(self, queries: Sequence[Query]) -> list[CountSnapshot | None]:
        """Return the snapshots of posts, in order; None if a post's database does not answer."""
        by_database: dict[int, list[_Lookup]] = {}
        lookups = [_Lookup(query) for query in queries]
        for lookup in lookups:
            by_database.setdefault(self.source.database_of(lookup.query.shard), []).append(lookup)
        for database, of_database in by_database.items():
            self._coalescers.setdefault(database, Coalescer(self._run)).submit(of_database)
        return [lookup.snapshot for lookup in lookups]

    def _run(self, lookups: list[_Lookup]) -> None:
        try:
            snapshots = self.source.load([lookup.query for lookup in lookups])
        except LikeStoreUnavailableError:
            return
        for lookup, snapshot in zip(lookups, snapshots, strict=True):
            lookup.snapshot = snapshot


def encode_snapshot(snapshot: CountSnapshot, epoch: Any, acks: Any) -> tuple[Any, ...]:
    """Return a snapshot as arguments of the Redis function `set_like`.

    `epoch` and `acks` (the number of acknowledged batches) come from the cache miss. Redis refuses the snapshot if
    either has changed since.
    """
    members = snapshot.members
    liked = "1" if snapshot.liked else "0"
    head = ("loaded", epoch, acks, snapshot.count, snapshot.revision, liked)
    return (*head, -1) if members is None else (*head, len(members), *members)
