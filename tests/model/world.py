"""Everything that can happen next: each step gives (what happened, the world after it).

Pods and flushers take one atomic step at a time, in any order. The trouble (crashes, evictions, failovers, wipes)
strikes between any two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.model.protocol import (
    Answer,
    Done,
    Miss,
    NewLife,
    absent,
    alive,
    begin,
    call,
    commit,
    fenced,
    is_dead,
    load,
    offer,
    register,
    renew,
    settle,
    to_read_on,
)
from tests.model.state import (
    Ask,
    Batch,
    Begin,
    Budget,
    Commit,
    Flusher,
    Header,
    Install,
    Load,
    Pod,
    Postgres,
    Redis,
    Register,
    Row,
    Rules,
    Settle,
    Wish,
    World,
)
from tests.model.trouble import lost, outside, spend, strays, trouble

Steps = Iterator[tuple[str, World]]
PODS = 2


def start(actors: str, budget: Budget, cold: bool = False) -> World:
    """Redis begun and empty. Cold: the first actor already likes the post, and only Postgres knows."""
    redis = Redis(Header(life=1, name=(1, 0)))
    postgres = Postgres((Row(actors[0], True, 1),), n=1, revision=1, version=1) if cold else Postgres()
    wishes = tuple(Wish(actor, cold and actor == actors[0]) for actor in actors)
    return World(redis, redis, postgres, wishes, wishes, budget)


def steps(rules: Rules, world: World) -> Steps:
    for i in range(len(world.flushers)):
        yield from flusher(rules, world, i)
    for i in range(len(world.pods)):
        yield from pod(rules, world, i)
    yield from outside(rules, world)
    yield from requests(rules, world)
    yield from strays(rules, world)
    yield from trouble(rules, world)


# --- requests and pods


def requests(rules: Rules, world: World) -> Steps:
    asks = [Ask()] if world.budget.reads else []
    if world.budget.wishes:
        asks += [Ask(wish.actor, liked) for wish in world.wishes for liked in (True, False)]
    for ask in asks:
        ticking = spend(replace(world, clock=world.clock + 1), "wishes" if ask.actor else "reads")
        redis, answer = call(rules, world.redis, ticking.server, ask)
        if isinstance(answer, Done) or len(world.pods) < PODS:
            yield f"{ask}: {_said(answer)}", answered(replace(ticking, redis=redis), ask, answer)


def answered(world: World, ask: Ask, answer: Answer) -> World:
    """The wish is acknowledged, or a pod goes to do what the answer asks for."""
    match answer:
        case Done() if ask.actor:
            return replace(world, wishes=acknowledged(world.wishes, ask))
        case Done():
            return world
        case Miss(ticket):
            pod = Pod(ask, Load(ticket))
        case NewLife(name):
            pod = Pod(ask, Register(name))
    return replace(world, pods=tuple(sorted((*world.pods, pod), key=repr)))


def acknowledged(wishes: tuple[Wish, ...], ask: Ask) -> tuple[Wish, ...]:
    number = 1 + max(wish.number for wish in wishes)
    return tuple(Wish(wish.actor, ask.liked, number) if wish.actor == ask.actor else wish for wish in wishes)


def _said(answer: Answer) -> str:
    match answer:
        case Miss((life, settles)):
            return f"MISS (life {life}, d {settles})"
        case NewLife((run, clock)):
            return f"NEWLIFE, candidate {run}/{clock}"
    return "done"


def pod(rules: Rules, world: World, i: int) -> Steps:
    ask, others = world.pods[i].ask, world.pods[:i] + world.pods[i + 1 :]
    rest = replace(world, pods=others)

    def goes_to(state: Register | Begin | Load | Install, **changes: Redis | Postgres) -> World:
        pods = tuple(sorted((*others, Pod(ask, state)), key=repr))
        return replace(world, pods=pods, **changes)

    match world.pods[i].next:
        case Register(name):
            postgres, to_begin = register(rules, world.postgres, name)
            yield f"pod of {ask} registers life {to_begin.life}", goes_to(to_begin, postgres=postgres)
        case Begin() as to_begin:
            redis = begin(rules, world.redis, world.run, to_begin)
            redis, answer = call(rules, redis, world.server, ask)
            after = answered(replace(rest, redis=redis), ask, answer)
            yield f"pod of {ask} begins life {to_begin.life}: {_said(answer)}", after
        case Load(ticket):
            loaded = load(world.postgres, ask, ticket)
            yield f"pod of {ask} loads n={loaded.n}, liked={loaded.liked}", goes_to(Install(loaded))
            if world.budget.blind and alive(world.redis, world.run) and not absent(rules, world.redis):
                redis, answer = call(rules, world.redis, world.server, ask, blind=True)
                after = answered(spend(replace(rest, redis=redis), "blind"), ask, answer)
                yield f"pod of {ask} finds Postgres away: {_said(answer)}", after
        case Install(loaded):
            ticking = replace(rest, clock=world.clock + 1)
            redis, answer = call(rules, world.redis, ticking.server, ask, loaded)
            after = answered(replace(ticking, redis=redis), ask, answer)
            yield f"pod of {ask} installs n={loaded.n}: {_said(answer)}", after


# --- flushers


def flusher(rules: Rules, world: World, i: int) -> Steps:
    def goes_to(state: Flusher, **changes: Redis | Postgres | int) -> World:
        return replace(world, flushers=(*world.flushers[:i], state, *world.flushers[i + 1 :]), **changes)

    doing, who = world.flushers[i], f"flusher {i}"
    match doing:
        case None if world.budget.flushes:
            yield from _reads(world, who, goes_to)
        case Register(name):
            postgres, to_begin = register(rules, world.postgres, name)
            yield f"{who} registers life {to_begin.life}", goes_to(to_begin, postgres=postgres)
        case Begin():
            after = goes_to(None, redis=begin(rules, world.redis, world.run, doing))
            yield f"{who} begins life {doing.life}", after
        case Commit(_, life) if fenced(rules, world.postgres, life):
            yield _fenced_off(world, who, life, goes_to)
        case Commit():
            yield from _commits(rules, world, who, doing, goes_to)
        case Settle():
            yield _settles(rules, world, who, doing, goes_to)
    if isinstance(doing, (Commit, Settle)) and world.budget.crashes:
        when = "before its commit" if isinstance(doing, Commit) else "after its commit"
        yield f"{who} crashes {when}", spend(goes_to(None), "crashes")


def _reads(world: World, who: str, goes_to) -> Steps:
    redis, zombie = world.redis, world.zombie
    if not alive(redis, world.run):
        redis, answer = offer(redis, world.server)
        yield f"{who} sees NEWLIFE", spend(goes_to(Register(answer.name), redis=redis), "flushes")
    else:
        for size in sorted({len(redis.stream), min(1, len(redis.stream))} - {0}, reverse=True):
            batch = redis.stream[:size]
            yield f"{who} reads {_list(batch)}", spend(goes_to(Commit(batch, redis.header.life)), "flushes")
    if zombie is not None and zombie.stream:
        after = spend(goes_to(Commit(zombie.stream, zombie.header.life)), "flushes")
        yield f"{who} reads {_list(zombie.stream)} from the zombie", after


def _fenced_off(world: World, who: str, life: int, goes_to) -> tuple[str, World]:
    """Waited, read the slot map again: where the batch's server still owns the slot, begin a life there."""
    if not alive(world.redis, world.run) or life != world.redis.header.life:
        return f"{who} is fenced off", goes_to(None)
    ticking = replace(world, clock=world.clock + 1)
    redis, answer = renew(world.redis, ticking.server)
    return f"{who} is fenced off and renews", goes_to(Register(answer.name), redis=redis, clock=ticking.clock)


def _commits(rules: Rules, world: World, who: str, doing: Commit, goes_to) -> Steps:
    def committed(refused: str | None = None) -> World:
        after = commit(rules, world.postgres, doing.batch, refused)
        gone = {entry.actor for entry in doing.batch if entry.actor == refused or is_dead(after, entry)}
        done = Settle(doing.batch, doing.life, after.n, after.revision, after.version, tuple(sorted(gone)))
        return goes_to(done, postgres=after)

    after = committed()
    yield f"{who} commits {_list(doing.batch)}: n={after.postgres.n}", after
    if world.budget.refusals:
        for actor in sorted({entry.actor for entry in doing.batch}):
            dead = spend(replace(committed(actor), wishes=lost(world.wishes, {actor})), "refusals")
            yield f"{who} commits {_list(doing.batch)}, {actor} to the dead letters", dead


def _settles(rules: Rules, world: World, who: str, doing: Settle, goes_to) -> tuple[str, World]:
    more = to_read_on(rules, world.redis, world.run, doing)
    if more:
        return f"{who} reads on: {_list(more)}", goes_to(Commit(more, doing.life))
    redis = settle(rules, world.redis, world.run, doing)
    after = replace(goes_to(None, redis=redis), wishes=lost(world.wishes, set(doing.refused)))
    return f"{who} settles {_list(doing.batch)}: n={doing.n}", after


def _list(batch: Batch) -> str:
    return " ".join(map(str, batch))
