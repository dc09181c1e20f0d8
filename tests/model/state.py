"""What there is: Redis, Postgres, and everything in flight, for one post of one shard.

Every value is frozen, so a whole world is one hashable value and a step is a function from one world to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

Name = tuple[int, int]  # of a life: the server's run id, and its clock when the name was offered

DOUBTED = -1  # the life of a count that was put in doubt from outside: no life has this number
SENTINEL = "*"  # in the set of likes: the set is complete


@dataclass(frozen=True, slots=True)
class Rules:
    """The safeguards. Leaving out any one of them makes the exploration find a broken promise."""

    life: bool = True  # raised for another process, else what a lost primary began is finished upon the new one
    fence: bool = True  # a batch of another life does not commit, else a zombie overwrites newer wishes
    only_the_candidate: bool = True  # begins, else after FLUSHALL a life and its tickets are begun again
    version_in_begin: bool = True  # begin takes Postgres's version, else a slow clock makes new wishes look old
    ticket: bool = True  # an install names the (life, d) it was loaded under, else a late one sets a stale base
    leave_only_settled: bool = True  # a TTL at k = 0, not p = 0, else a pending like and unlike lose their count
    doubt: bool = True  # a count of another life is not trusted, else it shows what its lost primary never kept
    old_liked_delta: bool = True  # n moves by new - old liked, else a like sent again is counted twice
    reads_on: bool = True  # n holds another's commit too: settle all it holds, else that is shown twice
    unknown_misses: bool = True  # an actor in no set is looked up, else a liker whose set left is counted again
    head_of_stream: bool = True  # settle takes its batch only at the head, else one batch is taken off twice
    newest_wins: bool = True  # a row changes only for a higher version, else an old batch undoes a newer wish
    doubt_voids_tickets: bool = True  # a doubt raises d, else a load from before it installs the old base
    doubt_needs_revision: bool = True  # only a commit after the doubt ends it, else an old n is trusted
    refusals_stick: bool = True  # what one flusher gave up none commits, else n moves and no settle tells
    epoch: bool = False  # optional, see test_known_limit: Postgres refuses the name of an older primary


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in the stream `q`."""

    version: int
    actor: str
    liked: bool
    weight: int
    blind: bool = False  # weighed while Postgres was away, so perhaps wrongly

    def __str__(self) -> str:
        return f"{'+' if self.liked else '-'}{self.actor}@{self.version}"


Batch = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """`c:post`: what is shown is base + pending."""

    base: int  # b
    revision: int  # r, of the base
    pending: int  # p, the sum of the weights in the stream
    entries: int  # k, how many there are in the stream
    life: int  # e, the life it was made in


@dataclass(frozen=True, slots=True)
class Header:
    """`v`: of the shard."""

    version: int = 0
    life: int = 0
    name: Name | None = None
    settles: int = 0  # d, with the life the ticket of a load
    candidate: Name | None = None  # offered with NEWLIFE, and the only one that may begin


@dataclass(frozen=True, slots=True)
class Redis:
    header: Header = Header()
    count: Count | None = None
    likes: frozenset[str] | None = None  # l:post
    unlikes: frozenset[str] | None = None  # u:post, kept only where l is not complete
    stream: Batch = ()


@dataclass(frozen=True, slots=True)
class Row:
    actor: str
    liked: bool
    version: int


@dataclass(frozen=True, slots=True)
class Postgres:
    rows: tuple[Row, ...] = ()
    n: int = 0
    revision: int = 0
    seed: int = 0  # a count brought along from elsewhere: n = liked rows + seed
    version: int = 0
    life: int = 1
    name: Name = (1, 0)
    dead: tuple[tuple[str, int], ...] = ()  # up to which version each actor's wishes went to the dead letters


@dataclass(frozen=True, slots=True)
class Server:
    """The process that is primary now: who it is and what its clock says."""

    run: int
    clock: int


Ticket = tuple[int, int]  # (life, d)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What Postgres said to a MISS."""

    ticket: Ticket
    n: int
    revision: int
    liked: bool
    born: bool  # the post has no row: its set will be complete


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: a wish of an actor, or with no actor a read of the count."""

    actor: str | None = None
    liked: bool = False

    def __str__(self) -> str:
        return "read" if self.actor is None else f"{'like' if self.liked else 'unlike'}({self.actor})"


# What a pod or a flusher is about to do. Each is one step, and the world may change between any two.
@dataclass(frozen=True, slots=True)
class Register:
    name: Name


@dataclass(frozen=True, slots=True)
class Begin:
    name: Name
    life: int
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
    life: int


@dataclass(frozen=True, slots=True)
class Settle:
    batch: Batch
    life: int
    n: int
    revision: int
    version: int
    refused: tuple[str, ...] = ()  # whose rows went to the dead letters


@dataclass(frozen=True, slots=True)
class Pod:
    ask: Ask
    next: Register | Begin | Load | Install


Flusher = Register | Begin | Commit | Settle | None


@dataclass(frozen=True, slots=True)
class Outsider:
    """Changed the post in Postgres, and has yet to tell Redis."""

    revision: int
    erased: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An actor's last acknowledged wish; `liked` is None where a failover or a flush may have lost it."""

    actor: str
    liked: bool | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How often each thing may still happen: what keeps an exhaustive exploration finite."""

    wishes: int = 0
    reads: int = 0
    flushes: int = 0
    crashes: int = 0
    evictions: int = 0
    failovers: int = 0
    wipes: int = 0  # FLUSHALL
    outside: int = 0  # changes in Postgres that did not come by the stream
    refusals: int = 0  # rows that Postgres refuses
    blind: int = 0  # wishes weighed while Postgres is away
    strays: int = 0  # wishes that reach the zombie


@dataclass(frozen=True, slots=True)
class World:
    redis: Redis
    replica: Redis
    postgres: Postgres
    wishes: tuple[Wish, ...]
    replica_wishes: tuple[Wish, ...]
    budget: Budget
    pods: tuple[Pod, ...] = ()
    flushers: tuple[Flusher, ...] = (None, None)
    outsider: Outsider | None = None
    zombie: Redis | None = None  # the primary before the failover, still answering reads
    run: int = 1
    clock: int = 300
    slow: bool = False  # the primary's clock is behind

    @property
    def server(self) -> Server:
        return Server(self.run, self.clock - (200 if self.slow else 0))
