"""The protocol. Each function is one Redis function or one Postgres transaction, so one atomic step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.model.state import (
    INVALIDATED,
    SENTINEL,
    Acknowledge,
    Batch,
    Count,
    Entry,
    Header,
    LikeRequest,
    Loaded,
    Name,
    Postgres,
    Redis,
    Row,
    Rules,
    Server,
    StartEpoch,
    Ticket,
)


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Miss:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class NewEpoch:
    name: Name


Reply = Done | Miss | NewEpoch
NO_ACTORS: frozenset[str] = frozenset()


# --- Redis: epochs


def is_current(redis: Redis, run: int) -> bool:
    """Return whether this server process started the shard's epoch."""
    return redis.header.name is not None and redis.header.name[0] == run


def offer_epoch(redis: Redis, server: Server) -> tuple[Redis, NewEpoch]:
    """Reply NEWEPOCH, with the same candidate to all callers of this process."""
    candidate = redis.header.candidate
    if candidate is None or candidate[0] != server.run:
        candidate = (server.run, server.clock)
        redis = replace(redis, header=replace(redis.header, candidate=candidate))
    return redis, NewEpoch(candidate)


def start_epoch(rules: Rules, redis: Redis, run: int, new: StartEpoch) -> Redis:
    header = redis.header
    if is_current(redis, run) or (rules.start_offered_name_only and header.candidate != new.name):
        return redis
    version = max(header.version, new.version) if rules.version_in_start_epoch else header.version
    return replace(redis, header=Header(version, new.epoch, new.name, header.acks + 1))


def replace_epoch(redis: Redis, server: Server) -> tuple[Redis, NewEpoch]:
    """End an epoch that is fenced off while its server still owns the slot, and offer another."""
    return offer_epoch(replace(redis, header=replace(redis.header, name=None, candidate=None)), server)


# --- Redis: a like


def is_stale(rules: Rules, redis: Redis, count: Count) -> bool:
    return rules.reload_stale and count.epoch != redis.header.epoch


def is_missing(rules: Rules, redis: Redis) -> bool:
    """Return whether there is no count, or a stale one with nothing pending: both are a miss."""
    count = redis.count
    return count is None or (is_stale(rules, redis, count) and count.entries == 0)


def is_known(redis: Redis, actor: str) -> bool:
    likes = redis.likes or NO_ACTORS
    return actor in likes or SENTINEL in likes or actor in (redis.unlikes or NO_ACTORS)


def install(redis: Redis, loaded: Loaded) -> Redis:
    count = Count(loaded.n, loaded.revision, 0, 0, redis.header.epoch)
    likes = frozenset({SENTINEL}) if loaded.is_new else None
    return replace(redis, count=count, likes=likes, unlikes=None)


def install_actor(redis: Redis, actor: str, liked: bool) -> Redis:
    if liked:
        return replace(redis, likes=(redis.likes or NO_ACTORS) | {actor})
    return replace(redis, unlikes=(redis.unlikes or NO_ACTORS) | {actor})


def call(
    rules: Rules,
    redis: Redis,
    server: Server,
    request: LikeRequest,
    loaded: Loaded | None = None,
    degraded: bool = False,
) -> tuple[Redis, Reply]:
    """Like, unlike or read. `loaded` is the state loaded after a miss; `degraded`: Postgres is unavailable."""
    if not is_current(redis, server.run):
        return offer_epoch(redis, server)
    ticket = (redis.header.epoch, redis.header.acks)
    if rules.ticket and loaded is not None and loaded.ticket != ticket:
        loaded = None
    if is_missing(rules, redis):
        if loaded is None:
            return redis, Miss(ticket)
        redis = install(redis, loaded)
    if request.actor is None:
        return redis, Done()
    if is_known(redis, request.actor) or not rules.unknown_actor_misses:
        return enqueue(rules, redis, server, request), Done()
    if loaded is not None:
        return enqueue(rules, install_actor(redis, request.actor, loaded.liked), server, request), Done()
    if degraded:
        return enqueue(rules, redis, server, request, degraded=True), Done()
    return redis, Miss(ticket)


def enqueue(rules: Rules, redis: Redis, server: Server, request: LikeRequest, degraded: bool = False) -> Redis:
    """Add an entry to the stream, then update the sets, then p and k.

    A request that changes nothing is added only if the count is stale.
    """
    count, actor = redis.count, request.actor
    assert count is not None
    assert actor is not None
    likes, unlikes = redis.likes or NO_ACTORS, redis.unlikes or NO_ACTORS
    weight = int(request.liked) - int(actor in likes)
    if weight == 0 and not degraded and not is_stale(rules, redis, count):
        return redis
    version = max(redis.header.version + 1, server.clock)
    if request.liked:
        likes, unlikes = likes | {actor}, unlikes - {actor}
    else:
        likes = likes - {actor}
        unlikes = unlikes if SENTINEL in likes else unlikes | {actor}
    return Redis(
        header=replace(redis.header, version=version),
        count=replace(count, pending=count.pending + weight, entries=count.entries + 1),
        likes=likes or None,
        unlikes=unlikes or None,
        stream=(*redis.stream, Entry(version, actor, request.liked, weight, degraded)),
    )


def may_evict(rules: Rules, redis: Redis) -> bool:
    """Return whether c, l and u have a TTL, so that a full Redis may evict any of them."""
    count = redis.count
    return count is None or (count.entries if rules.evict_only_acknowledged else count.pending) == 0


# --- Redis: acknowledgements and invalidation


def to_read_through(rules: Rules, redis: Redis, run: int, done: Acknowledge) -> Batch:
    """Return the longer batch that Postgres' n already holds, to be read in place of the acknowledgement."""
    in_epoch = done.epoch == redis.header.epoch and is_current(redis, run)
    if not rules.read_through or not in_epoch or done.version <= done.batch[-1].version:
        return ()
    batch = tuple(entry for entry in redis.stream if entry.version <= done.version)
    return batch if set(batch) - set(done.batch) else ()


def acknowledge(rules: Rules, redis: Redis, run: int, done: Acknowledge) -> Redis:
    header = redis.header
    if done.epoch != header.epoch or not is_current(redis, run):
        return redis
    redis = replace(redis, header=replace(header, acks=header.acks + 1))
    if rules.acknowledge_at_head and redis.stream[:1] != done.batch[:1]:
        return redis
    last = done.batch[-1].version
    removed = tuple(entry for entry in redis.stream if entry.version <= last)
    redis = replace(redis, stream=redis.stream[len(removed) :])
    return rebase(rules, redis, done, removed if rules.acknowledge_at_head else done.batch)


def rebase(rules: Rules, redis: Redis, done: Acknowledge, removed: Batch) -> Redis:
    """Subtract the removed entries from the count, and store the new base.

    A missing count is not created, because its set would know no actor.
    """
    weight = sum(entry.weight for entry in removed)
    count = redis.count
    if count is None:
        return redis
    newer = done.revision >= count.revision
    count = replace(count, pending=count.pending - weight, entries=count.entries - len(removed))
    if newer:
        count = replace(count, base=done.n, revision=done.revision)
    if done.refused:
        count = replace(count, epoch=INVALIDATED)
    is_final = removed and count.entries == 0 and (newer or not rules.invalidation_needs_revision)
    if is_final and is_stale(rules, redis, count):
        # The base is Postgres' own again. The sets may be wrong, so they are dropped.
        return replace(redis, count=replace(count, epoch=redis.header.epoch), likes=None, unlikes=None)
    return replace(redis, count=count)


def invalidate(rules: Rules, redis: Redis, revision: int) -> Redis:
    """Mark the count as stale, after a change in Postgres outside the stream that made this revision."""
    header, count = redis.header, redis.count
    if rules.invalidation_voids_tickets:
        header = replace(header, acks=header.acks + 1)
    if count is not None:
        newest = max(revision, count.revision) if rules.invalidation_needs_revision else count.revision
        count = replace(count, epoch=INVALIDATED, revision=newest)
    return replace(redis, header=header, count=count)


# --- Postgres: each of these first locks the shard's row


def acquire_epoch(rules: Rules, postgres: Postgres, name: Name) -> tuple[Postgres, StartEpoch]:
    if postgres.name != name and (not rules.ordered_names or name[0] >= postgres.name[0]):
        epoch = postgres.epoch + (1 if rules.new_epoch_per_process else 0)
        postgres = replace(postgres, name=name, epoch=epoch)
    return postgres, StartEpoch(postgres.name, postgres.epoch, postgres.version)


def load(postgres: Postgres, request: LikeRequest, ticket: Ticket) -> Loaded:
    liked = any(row.liked for row in postgres.rows if row.actor == request.actor)
    return Loaded(ticket, postgres.n, postgres.revision, liked, is_new=not postgres.rows)


def is_fenced(rules: Rules, postgres: Postgres, epoch: int) -> bool:
    return rules.fence and postgres.epoch != epoch


def commit(rules: Rules, postgres: Postgres, batch: Batch, refused: str | None = None) -> Postgres:
    """Store the last entry of each actor if it is newer than the row, and move n by the difference."""
    rows = {row.actor: row for row in postgres.rows}
    postgres = record_dead_letter(rules, postgres, batch, refused)
    accepted = [entry for entry in batch if entry.actor != refused and not is_dead(postgres, entry)]
    delta, changed = 0, False
    for entry in {entry.actor: entry for entry in accepted}.values():
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


def record_dead_letter(rules: Rules, postgres: Postgres, batch: Batch, actor: str | None) -> Postgres:
    """Record in the same transaction that an actor's entries are dead letters, for other flushers with the batch."""
    if actor is None or not rules.record_dead_letters:
        return postgres
    last = max(entry.version for entry in batch if entry.actor == actor)
    return replace(postgres, dead=tuple(sorted({**dict(postgres.dead), actor: last}.items())))


def is_dead(postgres: Postgres, entry: Entry) -> bool:
    return entry.version <= dict(postgres.dead).get(entry.actor, 0)


def _delta(rules: Rules, old: Row | None, entry: Entry) -> int:
    if rules.delta_from_old_row:
        return int(entry.liked) - int(old is not None and old.liked)
    return 1 if entry.liked else -1
