"""What a post and an actor stand at in Postgres, fetched for Redis: misses that wait together share one query."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.errors import LikeStoreUnavailableError
from service.storage.coalescer import Coalescer


@dataclass(frozen=True, slots=True)
class Query:
    """A post that Redis misses; `actor` '' where only the count is asked for."""

    shard: int
    post: str
    actor: str


@dataclass(frozen=True, slots=True)
class CountSnapshot:
    """Postgres' count of a post (with its seed) and its revision; whether the actor likes it; all likers if few."""

    count: int
    revision: int
    known: bool
    members: list[str] | None


class SnapshotSource(Protocol):
    """Where bases come from. Raises LikeStoreUnavailableError."""

    def load(self, queries: list[Query]) -> list[CountSnapshot]:
        """The bases of posts of one database, in order; a post never stored has count 0 and no members."""

    def database_of(self, shard: int) -> int:
        """Which database holds the shard."""


@dataclass(slots=True)
class _Ask:
    query: Query
    base: CountSnapshot | None = None


@dataclass(slots=True)
class CacheLoader:
    """Loads bases, one query at a time for each database."""

    bases: SnapshotSource
    _batchers: dict[int, Coalescer[_Ask]] = field(default_factory=dict)

    def load(self, queries: Sequence[Query]) -> list[CountSnapshot | None]:
        """The bases of posts, in order; None where a post's database does not answer."""
        by_database: dict[int, list[_Ask]] = {}
        asks = [_Ask(query) for query in queries]
        for ask in asks:
            by_database.setdefault(self.bases.database_of(ask.query.shard), []).append(ask)
        for database, together in by_database.items():
            self._batchers.setdefault(database, Coalescer(self._run)).submit(together)
        return [ask.base for ask in asks]

    def _run(self, asks: list[_Ask]) -> None:
        try:
            found = self.bases.load([ask.query for ask in asks])
        except LikeStoreUnavailableError:
            return
        for ask, base in zip(asks, found, strict=True):
            ask.base = base


def arguments(base: CountSnapshot, epoch: Any, acks: Any) -> tuple[Any, ...]:
    """A loaded base as the function `wish` takes it, under the ticket (life, number of settles) it was asked with."""
    members = base.members
    known = "1" if base.known else "0"
    head = ("loaded", epoch, acks, base.count, base.revision, known)
    return (*head, -1) if members is None else (*head, len(members), *members)
