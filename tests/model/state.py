"""The state of the model: Redis, Postgres, and everything in progress, for one post of one shard.

Every value is frozen, so a whole world is one hashable value, and a step is a function from one world to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

# The name of an epoch: the run id of the server, and its clock when it offered the name.
Name = tuple[int, int]
# Identifies the state that a load is valid for: (epoch, number of acknowledged batches).
Ticket = tuple[int, int]

# The epoch of a count that was invalidated. No epoch has this number.
INVALIDATED = -1
# A member of the set of likes: the set is complete.
SENTINEL = "*"


@dataclass(frozen=True, slots=True)
class Rules:
    """The safeguards of the protocol. Without any one of them, the exploration finds a violation.

    `ordered_names` is not part of the protocol, see `test_known_limit_a_demoted_primary_gets_an_epoch`.
    """

    # Another process gets another epoch. Otherwise the batch of a lost primary is completed on the new one.
    new_epoch_per_process: bool = True
    # A batch of another epoch does not commit. Otherwise a demoted primary overwrites newer likes.
    fence: bool = True
    # Only the offered name starts an epoch. Otherwise an epoch and its tickets start again after FLUSHALL.
    start_offered_name_only: bool = True
    # A new epoch takes over Postgres' version. Otherwise a slow clock makes new likes look old.
    version_in_start_epoch: bool = True
    # An install names the ticket of its load. Otherwise a late one sets an old base.
    ticket: bool = True
    # Keys get a TTL at k = 0, not at p = 0. Otherwise a pending like and unlike lose their count.
    evict_only_acknowledged: bool = True
    # A count of another epoch is not trusted. Otherwise it shows what a lost primary did not keep.
    reload_stale: bool = True
    # n moves by the difference to the old row. Otherwise a like that is sent again is counted twice.
    delta_from_old_row: bool = True
    # n also holds what another flusher committed, so all of it is acknowledged. Otherwise that part is shown twice.
    read_through: bool = True
    # An actor in no set is looked up. Otherwise a liker whose set was evicted is counted again.
    unknown_actor_misses: bool = True
    # A batch is acknowledged only at the head of the stream. Otherwise one batch is subtracted twice.
    acknowledge_at_head: bool = True
    # A row changes only for a higher version. Otherwise an old batch undoes a newer like.
    newest_wins: bool = True
    # An invalidation raises d. Otherwise a load from before it installs the old base.
    invalidation_voids_tickets: bool = True
    # Only a commit after the invalidation ends it. Otherwise an old n is trusted.
    invalidation_needs_revision: bool = True
    # A dead letter is recorded, and no flusher commits it. Otherwise n changes and no acknowledgement says so.
    record_dead_letters: bool = True
    # Postgres refuses the name of an older primary.
    ordered_names: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in the stream `q`. `degraded`: its weight was guessed while Postgres was unavailable."""

    version: int
    actor: str
    liked: bool
    weight: int
    degraded: bool = False

    def __str__(self) -> str:
        return f"{'+' if self.liked else '-'}{self.actor}@{self.version}"


Batch = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """The key `c:post`. The count shown is base + pending.

    `base` (b) is the count in Postgres and `revision` (r) its revision. `pending` (p) is the sum of the weights in the
    stream, `entries` (k) their number. `epoch` (e) is the epoch in which the post was loaded.
    """

    base: int
    revision: int
    pending: int
    entries: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Header:
    """The key `v` of the shard.

    `acks` (d) is the number of acknowledged batches. `candidate` is the name on offer for the next epoch.
    """

    version: int = 0
    epoch: int = 0
    name: Name | None = None
    acks: int = 0
    candidate: Name | None = None


@dataclass(frozen=True, slots=True)
class Redis:
    """The keys of one Redis server. `unlikes` is kept only while `likes` is not complete."""

    header: Header = Header()
    count: Count | None = None
    likes: frozenset[str] | None = None
    unlikes: frozenset[str] | None = None
    stream: Batch = ()


@dataclass(frozen=True, slots=True)
class Row:
    actor: str
    liked: bool
    version: int


@dataclass(frozen=True, slots=True)
class Postgres:
    """The rows of the post and of the shard.

    n is the number of liked rows and the seed. `dead` has the version up to which each actor's requests became dead
    letters.
    """

    rows: tuple[Row, ...] = ()
    n: int = 0
    revision: int = 0
    seed: int = 0
    version: int = 0
    epoch: int = 1
    name: Name = (1, 0)
    dead: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """The process that is primary now: its run id, and its clock."""

    run: int
    clock: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The state that Postgres returned for a miss. `is_new`: the post has no row, so its set will be complete."""

    ticket: Ticket
    n: int
    revision: int
    liked: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class LikeRequest:
    """A like or an unlike of an actor; without an actor, a read of the count."""

    actor: str | None = None
    liked: bool = False

    def __str__(self) -> str:
        return "read" if self.actor is None else f"{'like' if self.liked else 'unlike'}({self.actor})"


# The next step of a pod or a flusher. The world may change between any two steps.
@dataclass(frozen=True, slots=True)
class AcquireEpoch:
    name: Name


@dataclass(frozen=True, slots=True)
class StartEpoch:
    name: Name
    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class Load:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Install:
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Commit:
    batch: Batch
    epoch: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """An acknowledgement of a committed batch. `refused` has the actors whose rows became dead letters."""

    batch: Batch
    epoch: int
    n: int
    revision: int
    version: int
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    request: LikeRequest
    next: AcquireEpoch | StartEpoch | Load | Install


Flusher = AcquireEpoch | StartEpoch | Commit | Acknowledge | None


@dataclass(frozen=True, slots=True)
class ExternalChange:
    """A change of the post in Postgres, of which Redis does not know yet."""

    revision: int
    erased: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An actor's last acknowledged request. `liked` is None if a failover or FLUSHALL may have lost it."""

    actor: str
    liked: bool | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How often each event may still happen. It keeps an exhaustive exploration finite.

    `external_changes` are changes in Postgres outside the stream, `refusals` rows that Postgres refuses, `degraded`
    requests answered while Postgres is unavailable, and `zombie_likes` requests that reach the demoted primary.
    """

    likes: int = 0
    reads: int = 0
    flushes: int = 0
    crashes: int = 0
    evictions: int = 0
    failovers: int = 0
    flushalls: int = 0
    external_changes: int = 0
    refusals: int = 0
    degraded: int = 0
    zombie_likes: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """The whole state.

    `zombie` is the primary before the failover, which still answers. `slow`: the primary's clock is behind.
    """

    redis: Redis
    replica: Redis
    postgres: Postgres
    acknowledged: tuple[Acknowledged, ...]
    replica_acknowledged: tuple[Acknowledged, ...]
    budget: Budget
    pods: tuple[Pod, ...] = ()
    flushers: tuple[Flusher, ...] = (None, None)
    external_change: ExternalChange | None = None
    zombie: Redis | None = None
    run: int = 1
    clock: int = 300
    slow: bool = False

    @property
    def server(self) -> Server:
        return Server(self.run, self.clock - (200 if self.slow else 0))
