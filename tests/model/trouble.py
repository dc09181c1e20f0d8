"""What strikes from elsewhere: changes in Postgres, a zombie that still answers, evictions, failovers, wipes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from tests.model.protocol import Done, Miss, NewLife, alive, begin, call, load, may_leave, put_in_doubt, register
from tests.model.state import Ask, Outsider, Redis, Rules, Server, Wish, World

Steps = Iterator[tuple[str, World]]


def spend(world: World, what: str) -> World:
    return replace(world, budget=replace(world.budget, **{what: getattr(world.budget, what) - 1}))


def lost(wishes: tuple[Wish, ...], actors: Collection[str | None]) -> tuple[Wish, ...]:
    """Acknowledged, and yet nothing holds them to it any more."""
    return tuple(replace(wish, liked=None) if wish.actor in actors else wish for wish in wishes)


# --- changes from outside the stream: a seed, an erasure


def outside(rules: Rules, world: World) -> Steps:
    if world.outsider is not None:
        redis = put_in_doubt(rules, world.redis, world.outsider.revision)
        wishes = lost(world.wishes, {world.outsider.erased})  # also where told "already" in between
        yield "outside puts the post in doubt", replace(world, redis=redis, wishes=wishes, outsider=None)
    elif world.budget.outside:
        old = world.postgres
        revision = old.revision + 1
        changed = spend(replace(world, outsider=Outsider(revision)), "outside")
        seeded = replace(old, n=old.n + 1, seed=old.seed + 1, revision=revision)
        yield f"outside seeds: n={seeded.n}", replace(changed, postgres=seeded)
        for row in (row for row in old.rows if row.liked):
            rows = tuple(replace(r, liked=False) if r == row else r for r in old.rows)
            erased = replace(old, rows=rows, n=old.n - 1, revision=revision)
            yield (
                f"outside erases {row.actor}: n={erased.n}",
                replace(changed, postgres=erased, outsider=Outsider(revision, row.actor)),
            )


# --- trouble


def trouble(rules: Rules, world: World) -> Steps:
    redis, budget = world.redis, world.budget
    if budget.evictions and may_leave(rules, redis):
        for key in ("count", "likes", "unlikes"):
            if getattr(redis, key) is not None:
                yield f"evicts {key}", spend(replace(world, redis=replace(redis, **{key: None})), "evictions")
    if budget.failovers:
        if world.replica != redis:
            yield "replicates", replace(world, replica=redis, replica_wishes=world.wishes)
        for slow in (False, True):
            yield f"fails over{' to a slow clock' if slow else ''}", fail_over(world, slow)
    if budget.wipes:
        yield "FLUSHALL", wipe(world)


def fail_over(world: World, slow: bool) -> World:
    pairs = zip(world.wishes, world.replica_wishes, strict=True)
    wishes = tuple(now if now == then else replace(now, liked=None) for now, then in pairs)
    after = replace(world, redis=world.replica, zombie=world.redis, wishes=wishes, replica_wishes=wishes)
    return spend(replace(after, run=world.run + 1, slow=slow, clock=world.clock + 50), "failovers")


def wipe(world: World) -> World:
    wishes = lost(world.wishes, {entry.actor for entry in world.redis.stream})
    after = replace(world, redis=Redis(), replica=Redis(), wishes=wishes, replica_wishes=wishes)
    return spend(replace(after, clock=world.clock + 5), "wipes")


# --- writes to the zombie


def strays(rules: Rules, world: World) -> Steps:
    """By an old slot map, a pod asks the zombie: what it acknowledges the failover loses."""
    if not world.budget.strays or world.zombie is None:
        return
    for wish in world.wishes:
        for liked in (True, False):
            ask, ticking = Ask(wish.actor, liked), spend(replace(world, clock=world.clock + 1), "strays")
            redis, answer = call(rules, world.zombie, Server(world.run - 1, ticking.clock), ask)
            after = replace(ticking, zombie=redis)
            match answer:
                case Done():
                    yield f"{ask} at the zombie: done", replace(after, wishes=lost(world.wishes, {wish.actor}))
                case NewLife(name):
                    postgres, life = register(rules, world.postgres, name)
                    redis = begin(rules, redis, world.run - 1, life)
                    said = f"begins life {life.life}" if alive(redis, world.run - 1) else "is refused a life"
                    yield f"{ask} at the zombie: {said}", replace(after, postgres=postgres, zombie=redis)
                case Miss(ticket):
                    loaded = load(world.postgres, ask, ticket)
                    redis, _ = call(rules, redis, Server(world.run - 1, ticking.clock), ask, loaded)
                    after = replace(after, zombie=redis, wishes=lost(world.wishes, {wish.actor}))
                    yield f"{ask} at the zombie: loads, done", after
