"""Events from elsewhere: changes in Postgres, evictions, failovers, FLUSHALL, and requests to a demoted primary."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from tests.model.protocol import (
    Done,
    Miss,
    NewEpoch,
    acquire_epoch,
    call,
    invalidate,
    is_current,
    load,
    may_evict,
    start_epoch,
)
from tests.model.state import Acknowledged, ExternalChange, LikeRequest, Redis, Rules, Server, World

Steps = Iterator[tuple[str, World]]


def spend(world: World, event: str) -> World:
    return replace(world, budget=replace(world.budget, **{event: getattr(world.budget, event) - 1}))


def without(acknowledged: tuple[Acknowledged, ...], actors: Collection[str | None]) -> tuple[Acknowledged, ...]:
    """Forget the requests of these actors, which may be lost although they were acknowledged."""
    return tuple(replace(one, liked=None) if one.actor in actors else one for one in acknowledged)


# --- changes in Postgres outside the stream: a seed, an erasure


def external_changes(rules: Rules, world: World) -> Steps:
    change = world.external_change
    if change is not None:
        redis = invalidate(rules, world.redis, change.revision)
        # The actor may have been told "already liked" in between.
        acknowledged = without(world.acknowledged, {change.erased})
        after = replace(world, redis=redis, acknowledged=acknowledged, external_change=None)
        yield "the external change invalidates the post", after
    elif world.budget.external_changes:
        old = world.postgres
        revision = old.revision + 1
        changed = spend(replace(world, external_change=ExternalChange(revision)), "external_changes")
        seeded = replace(old, n=old.n + 1, seed=old.seed + 1, revision=revision)
        yield f"an external change seeds: n={seeded.n}", replace(changed, postgres=seeded)
        for row in (row for row in old.rows if row.liked):
            rows = tuple(replace(r, liked=False) if r == row else r for r in old.rows)
            erased = replace(old, rows=rows, n=old.n - 1, revision=revision)
            yield (
                f"an external change erases {row.actor}: n={erased.n}",
                replace(changed, postgres=erased, external_change=ExternalChange(revision, row.actor)),
            )


# --- faults of Redis


def faults(rules: Rules, world: World) -> Steps:
    redis, budget = world.redis, world.budget
    if budget.evictions and may_evict(rules, redis):
        for key in ("count", "likes", "unlikes"):
            if getattr(redis, key) is not None:
                yield f"evicts {key}", spend(replace(world, redis=replace(redis, **{key: None})), "evictions")
    if budget.failovers:
        if world.replica != redis:
            yield "replicates", replace(world, replica=redis, replica_acknowledged=world.acknowledged)
        for slow in (False, True):
            yield f"fails over{' to a slow clock' if slow else ''}", fail_over(world, slow)
    if budget.flushalls:
        yield "FLUSHALL", flush_all(world)


def fail_over(world: World, slow: bool) -> World:
    pairs = zip(world.acknowledged, world.replica_acknowledged, strict=True)
    kept = tuple(now if now == then else replace(now, liked=None) for now, then in pairs)
    after = replace(world, redis=world.replica, zombie=world.redis, acknowledged=kept, replica_acknowledged=kept)
    return spend(replace(after, run=world.run + 1, slow=slow, clock=world.clock + 50), "failovers")


def flush_all(world: World) -> World:
    kept = without(world.acknowledged, {entry.actor for entry in world.redis.stream})
    after = replace(world, redis=Redis(), replica=Redis(), acknowledged=kept, replica_acknowledged=kept)
    return spend(replace(after, clock=world.clock + 5), "flushalls")


# --- requests to the demoted primary


def zombie_likes(rules: Rules, world: World) -> Steps:
    """Send requests to the demoted primary, by an old slot map. The failover loses what it acknowledges."""
    if not world.budget.zombie_likes or world.zombie is None:
        return
    for actor in [one.actor for one in world.acknowledged]:
        for liked in (True, False):
            request = LikeRequest(actor, liked)
            yield _zombie_like(rules, spend(replace(world, clock=world.clock + 1), "zombie_likes"), request)


def _zombie_like(rules: Rules, world: World, request: LikeRequest) -> tuple[str, World]:
    run = world.run - 1
    assert world.zombie is not None
    redis, reply = call(rules, world.zombie, Server(run, world.clock), request)
    after = replace(world, zombie=redis)
    match reply:
        case Done():
            done = replace(after, acknowledged=without(world.acknowledged, {request.actor}))
            return f"{request} at the zombie: done", done
        case NewEpoch(name):
            postgres, new = acquire_epoch(rules, world.postgres, name)
            redis = start_epoch(rules, redis, run, new)
            outcome = f"starts epoch {new.epoch}" if is_current(redis, run) else "is refused an epoch"
            return f"{request} at the zombie: {outcome}", replace(after, postgres=postgres, zombie=redis)
        case Miss(ticket):
            loaded = load(world.postgres, request, ticket)
            redis, _ = call(rules, redis, Server(run, world.clock), request, loaded)
            acknowledged = without(world.acknowledged, {request.actor})
            return f"{request} at the zombie: loads, done", replace(after, zombie=redis, acknowledged=acknowledged)
