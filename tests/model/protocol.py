"""The protocol: each function here is one Redis function or one Postgres transaction, so one atomic step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.model.state import (
    DOUBTED,
    SENTINEL,
    Ask,
    Batch,
    Begin,
    Count,
    Entry,
    Header,
    Loaded,
    Name,
    Postgres,
    Redis,
    Row,
    Rules,
    Server,
    Settle,
    Ticket,
)


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Miss:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class NewLife:
    name: Name


Answer = Done | Miss | NewLife
NOBODY: frozenset[str] = frozenset()


# --- Redis: lives


def alive(redis: Redis, run: int) -> bool:
    """Whether the shard's life was begun by this very server process."""
    return redis.header.name is not None and redis.header.name[0] == run


def offer(redis: Redis, server: Server) -> tuple[Redis, NewLife]:
    """NEWLIFE: the same candidate for everyone who asks this process."""
    candidate = redis.header.candidate
    if candidate is None or candidate[0] != server.run:
        candidate = (server.run, server.clock)
        redis = replace(redis, header=replace(redis.header, candidate=candidate))
    return redis, NewLife(candidate)


def begin(rules: Rules, redis: Redis, run: int, life: Begin) -> Redis:
    header = redis.header
    if alive(redis, run) or (rules.only_the_candidate and header.candidate != life.name):
        return redis
    version = max(header.version, life.version) if rules.version_in_begin else header.version
    return replace(redis, header=Header(version, life.life, life.name, header.settles + 1))


def renew(redis: Redis, server: Server) -> tuple[Redis, NewLife]:
    """Fenced off at the server that owns the slot: give the life up, and offer another."""
    return offer(replace(redis, header=replace(redis.header, name=None, candidate=None)), server)


# --- Redis: a like


def doubted(rules: Rules, redis: Redis, count: Count) -> bool:
    return rules.doubt and count.life != redis.header.life


def absent(rules: Rules, redis: Redis) -> bool:
    """No count, or one in doubt with nothing pending: both are a MISS."""
    count = redis.count
    return count is None or (doubted(rules, redis, count) and count.entries == 0)


def known(redis: Redis, actor: str) -> bool:
    likes = redis.likes or NOBODY
    return actor in likes or SENTINEL in likes or actor in (redis.unlikes or NOBODY)


def install(redis: Redis, loaded: Loaded) -> Redis:
    count = Count(loaded.n, loaded.revision, 0, 0, redis.header.life)
    likes = frozenset({SENTINEL}) if loaded.born else None
    return replace(redis, count=count, likes=likes, unlikes=None)


def learn(redis: Redis, actor: str, liked: bool) -> Redis:
    if liked:
        return replace(redis, likes=(redis.likes or NOBODY) | {actor})
    return replace(redis, unlikes=(redis.unlikes or NOBODY) | {actor})


def call(
    rules: Rules, redis: Redis, server: Server, ask: Ask, loaded: Loaded | None = None, blind: bool = False
) -> tuple[Redis, Answer]:
    """`like`, `unlike` and a read: with what a MISS before it loaded, or blind where Postgres is away."""
    if not alive(redis, server.run):
        return offer(redis, server)
    ticket = (redis.header.life, redis.header.settles)
    if rules.ticket and loaded is not None and loaded.ticket != ticket:
        loaded = None
    if absent(rules, redis):
        if loaded is None:
            return redis, Miss(ticket)
        redis = install(redis, loaded)
    if ask.actor is None:
        return redis, Done()
    if known(redis, ask.actor) or not rules.unknown_misses:
        return note(rules, redis, server, ask), Done()
    if loaded is not None:
        return note(rules, learn(redis, ask.actor, loaded.liked), server, ask), Done()
    if blind:
        return note(rules, redis, server, ask, blind=True), Done()
    return redis, Miss(ticket)


def note(rules: Rules, redis: Redis, server: Server, ask: Ask, blind: bool = False) -> Redis:
    """XADD, then the sets, then p and k. A wish that changes nothing is written only where in doubt."""
    count, actor = redis.count, ask.actor
    assert count is not None
    assert actor is not None
    likes, unlikes = redis.likes or NOBODY, redis.unlikes or NOBODY
    weight = int(ask.liked) - int(actor in likes)
    if weight == 0 and not blind and not doubted(rules, redis, count):
        return redis
    version = max(redis.header.version + 1, server.clock)
    if ask.liked:
        likes, unlikes = likes | {actor}, unlikes - {actor}
    else:
        likes = likes - {actor}
        unlikes = unlikes if SENTINEL in likes else unlikes | {actor}
    return Redis(
        header=replace(redis.header, version=version),
        count=replace(count, pending=count.pending + weight, entries=count.entries + 1),
        likes=likes or None,
        unlikes=unlikes or None,
        stream=(*redis.stream, Entry(version, actor, ask.liked, weight, blind)),
    )


def may_leave(rules: Rules, redis: Redis) -> bool:
    """Whether c, l and u carry a TTL, so that a full Redis may evict any of them."""
    count = redis.count
    return count is None or (count.entries if rules.leave_only_settled else count.pending) == 0


# --- Redis: settle, and doubt


def to_read_on(rules: Rules, redis: Redis, run: int, done: Settle) -> Batch:
    """What Postgres's n already holds beyond the batch: settle refuses, and this is read instead."""
    mine = done.life == redis.header.life and alive(redis, run)
    if not rules.reads_on or not mine or done.version <= done.batch[-1].version:
        return ()
    batch = tuple(entry for entry in redis.stream if entry.version <= done.version)
    return batch if set(batch) - set(done.batch) else ()


def settle(rules: Rules, redis: Redis, run: int, done: Settle) -> Redis:
    header = redis.header
    if done.life != header.life or not alive(redis, run):
        return redis
    redis = replace(redis, header=replace(header, settles=header.settles + 1))
    if rules.head_of_stream and redis.stream[:1] != done.batch[:1]:
        return redis
    last = done.batch[-1].version
    gone = tuple(entry for entry in redis.stream if entry.version <= last)
    redis = replace(redis, stream=redis.stream[len(gone) :])
    return rebase(rules, redis, done, gone if rules.head_of_stream else done.batch)


def rebase(rules: Rules, redis: Redis, done: Settle, gone: Batch) -> Redis:
    weight = sum(entry.weight for entry in gone)
    count = redis.count
    if count is None:  # it never makes one, whose set would know nobody
        return redis
    newer = done.revision >= count.revision
    count = replace(count, pending=count.pending - weight, entries=count.entries - len(gone))
    if newer:
        count = replace(count, base=done.n, revision=done.revision)
    if done.refused:
        count = replace(count, life=DOUBTED)
    over = gone and count.entries == 0 and (newer or not rules.doubt_needs_revision)
    if over and doubted(rules, redis, count):  # what is left is Postgres's own; whom it holds, nobody here knows
        return replace(redis, count=replace(count, life=redis.header.life), likes=None, unlikes=None)
    return replace(redis, count=count)


def put_in_doubt(rules: Rules, redis: Redis, revision: int) -> Redis:
    """Told after every change in Postgres that did not come by the stream: it made this revision."""
    header, count = redis.header, redis.count
    if rules.doubt_voids_tickets:
        header = replace(header, settles=header.settles + 1)
    if count is not None:
        newest = max(revision, count.revision) if rules.doubt_needs_revision else count.revision
        count = replace(count, life=DOUBTED, revision=newest)
    return replace(redis, header=header, count=count)


# --- Postgres: each of these locks the shard's row first


def register(rules: Rules, postgres: Postgres, name: Name) -> tuple[Postgres, Begin]:
    if postgres.name != name and (not rules.epoch or name[0] >= postgres.name[0]):
        postgres = replace(postgres, name=name, life=postgres.life + (1 if rules.life else 0))
    return postgres, Begin(postgres.name, postgres.life, postgres.version)


def load(postgres: Postgres, ask: Ask, ticket: Ticket) -> Loaded:
    liked = any(row.liked for row in postgres.rows if row.actor == ask.actor)
    return Loaded(ticket, postgres.n, postgres.revision, liked, born=not postgres.rows)


def fenced(rules: Rules, postgres: Postgres, life: int) -> bool:
    return rules.fence and postgres.life != life


def commit(rules: Rules, postgres: Postgres, batch: Batch, refused: str | None = None) -> Postgres:
    """Fold the batch to the last entry of each actor, upsert those that are newer, move n by the difference."""
    rows = {row.actor: row for row in postgres.rows}
    postgres = refuse(rules, postgres, batch, refused)
    taken = [entry for entry in batch if entry.actor != refused and not is_dead(postgres, entry)]
    delta, changed = 0, False
    for entry in {entry.actor: entry for entry in taken}.values():
        old = rows.get(entry.actor)
        if old is not None and rules.newest_wins and old.version >= entry.version:
            continue
        rows[entry.actor] = Row(entry.actor, entry.liked, entry.version)
        changed = True
        delta += _delta(rules, old, entry)
    return replace(
        postgres,
        rows=tuple(sorted(rows.values(), key=lambda row: row.actor)),
        n=postgres.n + delta,
        revision=postgres.revision + changed,
        version=max(postgres.version, batch[-1].version),
    )


def refuse(rules: Rules, postgres: Postgres, batch: Batch, actor: str | None) -> Postgres:
    """Note in the same transaction that these wishes are given up, for any other flusher that holds them."""
    if actor is None or not rules.refusals_stick:
        return postgres
    last = max(entry.version for entry in batch if entry.actor == actor)
    return replace(postgres, dead=tuple(sorted({**dict(postgres.dead), actor: last}.items())))


def is_dead(postgres: Postgres, entry: Entry) -> bool:
    return entry.version <= dict(postgres.dead).get(entry.actor, 0)


def _delta(rules: Rules, old: Row | None, entry: Entry) -> int:
    if rules.old_liked_delta:
        return int(entry.liked) - int(old is not None and old.liked)
    return 1 if entry.liked else -1
