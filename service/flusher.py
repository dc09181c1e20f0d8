"""From the stream to Postgres, then settle. Any number may run: leases keep them apart, fencing keeps them harmless."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from service.errors import CounterUnavailableError, LedgerUnavailableError, LikewiseError
from service.settings import Settings

log = structlog.get_logger(__name__)
_WORTH = 64  # from there on a batch's fixed cost is a small part of it
_QUIET_ROUNDS = 5  # a look costs Redis 13 µs a shard: at a shard without likes it is taken every half second


class FencedError(LikewiseError):
    """The shard has begun another life since the batch was read."""


class RejectedError(LikewiseError):
    """Postgres refuses a row of the batch."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in a shard's stream. `weight` is what it did to the count: -1, 0 or 1."""

    id: str
    version: int
    post: str
    actor: str
    liked: bool
    weight: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries from the head of one shard's stream, in order, read in one life."""

    shard: int
    life: int
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
class Committed:
    """The shard's highest stored version, and (count with seed, revision) of each post of the batch."""

    version: int
    bases: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Polled:
    """How a shard's stream stands. `oldest_s` is the age of its head, 0 where it is empty.

    `now_us` is the time that its versions are of; `queued_bytes` what its node holds in all streams.
    """

    shard: int
    life: int
    held: bool
    length: int
    oldest_s: float
    dead: int
    now_us: int = 0
    queued_bytes: int = 0


class Queue(Protocol):
    """The streams of all shards. Raises CounterUnavailableError."""

    shards: Sequence[int]

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[Polled]:
        """All shards, or some: those that answer, leased to `owner` where free. One that needs a life begins it."""

    def read(self, polled: Polled, most: int, *, up_to: int | None = None, after: str | None = None) -> Batch:
        """Entries from the head, or after an id, at most `most` or up to a version."""

    def settle(self, batch: Batch, committed: Committed, *, dead_reason: str = "") -> bool:
        """Take the batch off the stream and re-base its posts; with a reason its one entry becomes a dead letter."""

    def renew(self, shard: int, life: int) -> None:
        """End a life that the ledger has fenced off."""


class Store(Protocol):
    """Where rows go. Raises LedgerUnavailableError."""

    def database_of(self, shard: int) -> int:
        """Which database holds the shard."""

    def commit(self, batches: list[Batch]) -> list[Committed | FencedError]:
        """Store the batches of one database in one transaction. Raises RejectedError with nothing stored."""


@dataclass(slots=True)
class Flusher:
    """Moves what is pending to Postgres until `stop` is called."""

    queue: Queue
    store: Store
    settings: Settings
    owner: str
    _stopping: bool = False
    _fenced: dict[int, tuple[int, float]] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)  # when a shard was first seen with something pending
    _behind: bool = False
    _rounds: int = 0

    def run(self, wait: Callable[[float], object] = time.sleep) -> None:
        """Flush in rounds; a part that is away is said once a round, and waited for."""
        while not self._stopping:
            started = time.monotonic()
            self._round(self._due())
            if not self._behind:
                wait(max(0.0, self.settings.flush_interval_ms / 1000 - (time.monotonic() - started)))
        self.drain()

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

    def _due(self) -> list[int]:
        """The shards to look at now: those that had something pending, and each quiet one every few rounds."""
        self._rounds += 1
        return [
            shard for shard in self.queue.shards if shard in self._since or (shard + self._rounds) % _QUIET_ROUNDS == 0
        ]

    def _round(self, shards: Sequence[int] | None = None) -> int:
        self._behind = False
        try:
            return self.flush_once(shards)
        except (CounterUnavailableError, LedgerUnavailableError) as error:
            log.warning("flush postponed", reason=str(error))
            return 0

    def flush_once(self, shards: Sequence[int] | None = None) -> int:
        """Store what every leased shard, or some, hold; how many entries were settled."""
        polled = self.queue.poll(self.owner, self.settings.lease_ms, shards)
        by_database: dict[int, list[Polled]] = defaultdict(list)
        for one in polled:
            if self._is_due(one, at_once=shards is None):
                by_database[self.store.database_of(one.shard)].append(one)
        done = 0
        for pending_shards in by_database.values():
            try:
                done += self._flush_database(pending_shards)
            except (LedgerUnavailableError, CounterUnavailableError) as error:
                log.warning("flush postponed", reason=str(error), shards=len(pending_shards))
        return done

    def _is_due(self, one: Polled, *, at_once: bool) -> bool:
        """A few likes of a shard cost as much as many: they wait for more, but never long, by our own clock."""
        if not one.length:
            self._since.pop(one.shard, None)
        if not one.length or not one.held:
            return False
        now = time.monotonic()
        waited_s = now - self._since.setdefault(one.shard, now)
        if not at_once and one.length < _WORTH and waited_s < self.settings.flush_age_ms / 1000:
            return False
        self._since[one.shard] = now
        return True

    def _flush_database(self, shards: list[Polled]) -> int:
        batches = [self.queue.read(polled, self.settings.flush_batch) for polled in shards]
        batches = [batch for batch in batches if batch.entries]
        if not batches:
            return 0
        self._behind |= any(len(batch.entries) == self.settings.flush_batch for batch in batches)
        try:
            outcomes = self.store.commit(batches)
        except RejectedError:
            return sum(self._flush_halves(batch) for batch in batches)
        return sum(self._settle(*pair) for pair in zip(batches, outcomes, strict=True))

    def _flush_halves(self, batch: Batch) -> int:
        """Find the row that Postgres refuses; what is before it is stored, it becomes a dead letter."""
        try:
            return self._settle_as_is(batch, self.store.commit([batch])[0])
        except RejectedError as error:
            if len(batch.entries) == 1:
                log.error("dead letter", shard=batch.shard, entry=batch.entries[0].id, reason=str(error))
                self.queue.settle(batch, Committed(0, {}), dead_reason=str(error))
                return 1
        middle = len(batch.entries) // 2
        halves = (batch.entries[:middle], batch.entries[middle:])
        return sum(self._flush_halves(Batch(batch.shard, batch.life, half)) for half in halves)

    def _settle(self, batch: Batch, outcome: Committed | FencedError) -> int:
        while isinstance(outcome, Committed) and outcome.version > batch.last_version:
            # Another flusher stored more than this batch: its rows are in the base, so they must leave p together.
            polled = Polled(batch.shard, batch.life, True, 0, 0.0, 0)
            more = self.queue.read(polled, 0, up_to=outcome.version, after=batch.entries[-1].id)
            if not more.entries:
                break
            batch = Batch(batch.shard, batch.life, [*batch.entries, *more.entries])
            try:
                outcome = self.store.commit([batch])[0]
            except RejectedError:
                return self._flush_halves(batch)
        return self._settle_as_is(batch, outcome)

    def _settle_as_is(self, batch: Batch, outcome: Committed | FencedError) -> int:
        if isinstance(outcome, FencedError):
            self._on_fenced(batch)
            return 0
        self._fenced.pop(batch.shard, None)
        return len(batch.entries) if self.queue.settle(batch, outcome) else 0

    def _on_fenced(self, batch: Batch) -> None:
        """Wait for the slot map to settle; a server that still owns the slot then begins a life of its own."""
        life, since = self._fenced.setdefault(batch.shard, (batch.life, time.monotonic()))
        if life != batch.life:
            self._fenced[batch.shard] = (batch.life, time.monotonic())
        elif time.monotonic() - since > self.settings.redis_timeout_ms / 1000:
            log.warning("life fenced off, renewing", shard=batch.shard, life=batch.life)
            self.queue.renew(batch.shard, batch.life)
            del self._fenced[batch.shard]


def pending(polled: Iterable[Polled]) -> int:
    """Entries not yet in Postgres."""
    return sum(one.length for one in polled)
