"""The possible next steps of a world, each as (description, world after it).

Pods and flushers take one atomic step at a time, in any order. Crashes and other faults may happen between any two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.model.faults import external_changes, faults, spend, without, zombie_likes
from tests.model.protocol import (
    Done,
    Miss,
    NewEpoch,
    Reply,
    acknowledge,
    acquire_epoch,
    call,
    commit,
    is_current,
    is_dead,
    is_fenced,
    is_missing,
    load,
    offer_epoch,
    replace_epoch,
    start_epoch,
    to_read_through,
)
from tests.model.state import (
    Acknowledge,
    Acknowledged,
    AcquireEpoch,
    Batch,
    Budget,
    Commit,
    Flusher,
    Header,
    Install,
    LikeRequest,
    Load,
    Pod,
    Postgres,
    Redis,
    Row,
    Rules,
    StartEpoch,
    World,
)

Steps = Iterator[tuple[str, World]]
PODS = 2


def start(actors: str, budget: Budget, cold: bool = False) -> World:
    """Return a world with an empty Redis. `cold`: the first actor likes the post, and only Postgres knows."""
    redis = Redis(Header(epoch=1, name=(1, 0)))
    postgres = Postgres((Row(actors[0], True, 1),), n=1, revision=1, version=1) if cold else Postgres()
    acknowledged = tuple(Acknowledged(actor, cold and actor == actors[0]) for actor in actors)
    return World(redis, redis, postgres, acknowledged, acknowledged, budget)


def steps(rules: Rules, world: World) -> Steps:
    for i in range(len(world.flushers)):
        yield from flusher(rules, world, i)
    for i in range(len(world.pods)):
        yield from pod(rules, world, i)
    yield from external_changes(rules, world)
    yield from requests(rules, world)
    yield from zombie_likes(rules, world)
    yield from faults(rules, world)


# --- requests and pods


def requests(rules: Rules, world: World) -> Steps:
    possible = [LikeRequest()] if world.budget.reads else []
    if world.budget.likes:
        possible += [LikeRequest(one.actor, liked) for one in world.acknowledged for liked in (True, False)]
    for request in possible:
        ticking = spend(replace(world, clock=world.clock + 1), "likes" if request.actor else "reads")
        redis, reply = call(rules, world.redis, ticking.server, request)
        if isinstance(reply, Done) or len(world.pods) < PODS:
            yield f"{request}: {_describe(reply)}", handle_reply(replace(ticking, redis=redis), request, reply)


def handle_reply(world: World, request: LikeRequest, reply: Reply) -> World:
    """Acknowledge the request, or start a pod that does what the reply requires."""
    match reply:
        case Done() if request.actor:
            return replace(world, acknowledged=with_request(world.acknowledged, request))
        case Done():
            return world
        case Miss(ticket):
            pod = Pod(request, Load(ticket))
        case NewEpoch(name):
            pod = Pod(request, AcquireEpoch(name))
    return replace(world, pods=tuple(sorted((*world.pods, pod), key=repr)))


def with_request(acknowledged: tuple[Acknowledged, ...], request: LikeRequest) -> tuple[Acknowledged, ...]:
    number = 1 + max(one.number for one in acknowledged)
    latest = Acknowledged(request.actor or "", request.liked, number)
    return tuple(latest if one.actor == request.actor else one for one in acknowledged)


def _describe(reply: Reply) -> str:
    match reply:
        case Miss((epoch, acks)):
            return f"MISS (epoch {epoch}, d {acks})"
        case NewEpoch((run, clock)):
            return f"NEWEPOCH, candidate {run}/{clock}"
    return "done"


def pod(rules: Rules, world: World, i: int) -> Steps:
    request, others = world.pods[i].request, world.pods[:i] + world.pods[i + 1 :]
    rest = replace(world, pods=others)

    def continue_with(state: AcquireEpoch | StartEpoch | Load | Install, **changes: Redis | Postgres) -> World:
        pods = tuple(sorted((*others, Pod(request, state)), key=repr))
        return replace(world, pods=pods, **changes)

    match world.pods[i].next:
        case AcquireEpoch(name):
            postgres, new = acquire_epoch(rules, world.postgres, name)
            yield f"pod of {request} acquires epoch {new.epoch}", continue_with(new, postgres=postgres)
        case StartEpoch() as new:
            redis = start_epoch(rules, world.redis, world.run, new)
            redis, reply = call(rules, redis, world.server, request)
            after = handle_reply(replace(rest, redis=redis), request, reply)
            yield f"pod of {request} starts epoch {new.epoch}: {_describe(reply)}", after
        case Load(ticket):
            loaded = load(world.postgres, request, ticket)
            yield f"pod of {request} loads n={loaded.n}, liked={loaded.liked}", continue_with(Install(loaded))
            if world.budget.degraded and is_current(world.redis, world.run) and not is_missing(rules, world.redis):
                redis, reply = call(rules, world.redis, world.server, request, degraded=True)
                after = handle_reply(spend(replace(rest, redis=redis), "degraded"), request, reply)
                yield f"pod of {request} finds Postgres away: {_describe(reply)}", after
        case Install(loaded):
            ticking = replace(rest, clock=world.clock + 1)
            redis, reply = call(rules, world.redis, ticking.server, request, loaded)
            after = handle_reply(replace(ticking, redis=redis), request, reply)
            yield f"pod of {request} installs n={loaded.n}: {_describe(reply)}", after


# --- flushers


def flusher(rules: Rules, world: World, i: int) -> Steps:
    def continue_with(state: Flusher, **changes: Redis | Postgres | int) -> World:
        return replace(world, flushers=(*world.flushers[:i], state, *world.flushers[i + 1 :]), **changes)

    state, label = world.flushers[i], f"flusher {i}"
    match state:
        case None if world.budget.flushes:
            yield from _reads(world, label, continue_with)
        case AcquireEpoch(name):
            postgres, new = acquire_epoch(rules, world.postgres, name)
            yield f"{label} acquires epoch {new.epoch}", continue_with(new, postgres=postgres)
        case StartEpoch():
            after = continue_with(None, redis=start_epoch(rules, world.redis, world.run, state))
            yield f"{label} starts epoch {state.epoch}", after
        case Commit(_, epoch) if is_fenced(rules, world.postgres, epoch):
            yield _is_fenced_off(world, label, epoch, continue_with)
        case Commit():
            yield from _commits(rules, world, label, state, continue_with)
        case Acknowledge():
            yield _acknowledges(rules, world, label, state, continue_with)
    if isinstance(state, (Commit, Acknowledge)) and world.budget.crashes:
        when = "before its commit" if isinstance(state, Commit) else "after its commit"
        yield f"{label} crashes {when}", spend(continue_with(None), "crashes")


def _reads(world: World, label: str, continue_with) -> Steps:
    redis, zombie = world.redis, world.zombie
    if not is_current(redis, world.run):
        redis, reply = offer_epoch(redis, world.server)
        yield f"{label} sees NEWEPOCH", spend(continue_with(AcquireEpoch(reply.name), redis=redis), "flushes")
    else:
        for size in sorted({len(redis.stream), min(1, len(redis.stream))} - {0}, reverse=True):
            batch = redis.stream[:size]
            yield f"{label} reads {_list(batch)}", spend(continue_with(Commit(batch, redis.header.epoch)), "flushes")
    if zombie is not None and zombie.stream:
        after = spend(continue_with(Commit(zombie.stream, zombie.header.epoch)), "flushes")
        yield f"{label} reads {_list(zombie.stream)} from the zombie", after


def _is_fenced_off(world: World, label: str, epoch: int, continue_with) -> tuple[str, World]:
    """Read the slot map again. If the batch's server still owns the slot, replace its epoch."""
    if not is_current(world.redis, world.run) or epoch != world.redis.header.epoch:
        return f"{label} is fenced off", continue_with(None)
    ticking = replace(world, clock=world.clock + 1)
    redis, reply = replace_epoch(world.redis, ticking.server)
    after = continue_with(AcquireEpoch(reply.name), redis=redis, clock=ticking.clock)
    return f"{label} is fenced off and replaces the epoch", after


def _commits(rules: Rules, world: World, label: str, state: Commit, continue_with) -> Steps:
    def committed(refused: str | None = None) -> World:
        after = commit(rules, world.postgres, state.batch, refused)
        dead = {entry.actor for entry in state.batch if entry.actor == refused or is_dead(after, entry)}
        done = Acknowledge(state.batch, state.epoch, after.n, after.revision, after.version, tuple(sorted(dead)))
        return continue_with(done, postgres=after)

    after = committed()
    yield f"{label} commits {_list(state.batch)}: n={after.postgres.n}", after
    if world.budget.refusals:
        for actor in sorted({entry.actor for entry in state.batch}):
            dead = replace(committed(actor), acknowledged=without(world.acknowledged, {actor}))
            yield f"{label} commits {_list(state.batch)}, {actor} to the dead letters", spend(dead, "refusals")


def _acknowledges(rules: Rules, world: World, label: str, state: Acknowledge, continue_with) -> tuple[str, World]:
    longer = to_read_through(rules, world.redis, world.run, state)
    if longer:
        return f"{label} reads through: {_list(longer)}", continue_with(Commit(longer, state.epoch))
    redis = acknowledge(rules, world.redis, world.run, state)
    after = replace(continue_with(None, redis=redis), acknowledged=without(world.acknowledged, set(state.refused)))
    return f"{label} acknowledges {_list(state.batch)}: n={state.n}", after


def _list(batch: Batch) -> str:
    return " ".join(map(str, batch))
