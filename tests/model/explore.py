"""Look for a broken promise: breadth first and exhaustively, or by random walks."""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from dataclasses import dataclass, replace

from tests.model.protocol import absent, alive, doubted
from tests.model.state import SENTINEL, Budget, Row, Rules, World
from tests.model.world import start, steps

Trace = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A broken promise, and what led to it."""

    broken: str
    trace: Trace

    def __str__(self) -> str:
        lines = [f"  {number:2} {label}" for number, label in enumerate(self.trace, 1)]
        return "\n".join([self.broken, *lines])


@dataclass(frozen=True)
class Report:
    found: Found | None
    worlds: int
    complete: bool


class Judge:
    """Whether a world breaks a promise, now or once all that is in flight has come to rest."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._known: dict[World, str | None] = {}

    def broken(self, world: World) -> str | None:
        return self._shown_now(world) or self._at_rest(world)

    def _shown_now(self, world: World) -> str | None:
        """In no doubt, b + p is at every moment what Postgres will have when the stream is empty."""
        shown = count_shown(self.rules, world)
        if shown is None or world.outsider is not None or doubted(self.rules, world.redis, world.redis.count):
            return None
        if any(entry.blind for entry in world.redis.stream):
            return None
        due = count_due(world)
        return None if shown == due else f"shows {shown} where {due} is due"

    def _at_rest(self, world: World) -> str | None:
        resting = replace(world, budget=Budget(flushes=99), zombie=None, replica=world.redis, replica_wishes=())
        if resting not in self._known:
            self._known[resting] = rests(self.rules, resting)
        return self._known[resting]


def rests(rules: Rules, world: World) -> str | None:
    """Let pods and flushers finish with no further trouble, then compare."""
    for _ in range(80):
        nextly = next(steps(rules, world), None)
        if nextly is None:
            return compare(rules, world)
        world = nextly[1]
    return "never comes to rest"


def compare(rules: Rules, world: World) -> str | None:
    postgres = world.postgres
    liked = {row.actor for row in postgres.rows if row.liked}
    shown = count_shown(rules, world)
    if postgres.n != len(liked) + postgres.seed:
        return f"at rest n is {postgres.n}, the rows are {len(liked)} and the seed {postgres.seed}"
    if shown not in (None, postgres.n):
        return f"at rest shows {shown}, Postgres has {postgres.n}"
    for wish in world.wishes:
        if wish.liked is not None and wish.liked != (wish.actor in liked):
            return f"the last acknowledged wish of {wish.actor} is lost: liked={wish.liked}"
        if viewed(rules, world, wish.actor) != (wish.actor in liked):
            return f"{wish.actor} is shown liked={wish.actor not in liked}, Postgres has the contrary"
    return None


def count_shown(rules: Rules, world: World) -> int | None:
    """What a read answers from Redis; None where it would load."""
    count = world.redis.count
    if count is None or not alive(world.redis, world.run) or absent(rules, world.redis):
        return None
    return count.base + count.pending


def count_due(world: World) -> int:
    """Postgres's count once the stream is flushed."""
    rows = {row.actor: row for row in world.postgres.rows}
    for entry in world.redis.stream:
        if entry.actor not in rows or rows[entry.actor].version < entry.version:
            rows[entry.actor] = Row(entry.actor, entry.liked, entry.version)
    return sum(row.liked for row in rows.values()) + world.postgres.seed


def viewed(rules: Rules, world: World, actor: str) -> bool:
    """What an actor is told of their own like."""
    redis = world.redis
    if count_shown(rules, world) is not None and not doubted(rules, redis, redis.count):
        likes = redis.likes or frozenset()
        if actor in likes:
            return True
        if SENTINEL in likes or actor in (redis.unlikes or frozenset()):
            return False
    return any(row.liked for row in world.postgres.rows if row.actor == actor)


def exhaust(rules: Rules, world: World, limit: int = 50_000) -> Report:
    """Every world within the budget, nearest first: what it finds has the shortest trace."""
    judge = Judge(rules)
    before: dict[World, tuple[World, str] | None] = {world: None}
    queue = deque([world])
    while queue and len(before) < limit:
        here = queue.popleft()
        broken = judge.broken(here)
        if broken:
            return Report(Found(broken, trace_to(before, here)), len(before), False)
        for label, there in steps(rules, here):
            if there not in before:
                before[there] = (here, label)
                queue.append(there)
    return Report(None, len(before), not queue)


def trace_to(before: dict[World, tuple[World, str] | None], world: World) -> Trace:
    trace = []
    while (link := before[world]) is not None:
        world, label = link
        trace.append(label)
    return tuple(reversed(trace))


def follow(rules: Rules, world: World, labels: list[str]) -> World:
    """The world after these steps, each named by how its label begins."""
    for label in labels:
        here = dict(reversed(list(steps(rules, world))))
        chosen = [there for said, there in here.items() if said.startswith(label)]
        if not chosen:
            raise LookupError(f"no step {label!r}, but: {', '.join(here)}")
        world = chosen[-1]
    return world


def walk(rules: Rules, world: World, count: int, seed: int, length: int = 45) -> Report:
    """Random walks of `count` steps in all, judged at about every third step; the shortest trace found."""
    chance = random.Random(seed)
    found: Found | None = None
    taken = 0
    while taken < count:
        judge, here, trace = Judge(rules), world, ()
        for _ in range(length):
            choices = list(steps(rules, here))
            if not choices:
                break
            label, here = chance.choice(choices)
            trace, taken = (*trace, label), taken + 1
            if found is not None and len(trace) >= len(found.trace):
                break
            broken = chance.random() < 0.35 and judge.broken(here)
            if broken:
                found = Found(broken, trace)
                break
        else:
            continue
    return Report(found, taken, False)


LONG = Budget(
    wishes=8, reads=2, flushes=10, crashes=2, evictions=3, failovers=2, wipes=1, outside=2, refusals=1, blind=1
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Walk the model of a like's way at random.")
    parser.add_argument("--steps", type=int, default=200_000, help="steps in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--length", type=int, default=45, help="steps of one walk")
    parser.add_argument("--without", metavar="RULE", action="append", default=[], help="leave a safeguard out")
    options = parser.parse_args()
    rules = replace(Rules(), **dict.fromkeys(options.without, False))
    began = time.monotonic()
    for cold in (False, True):
        world = start("AB", LONG, cold)
        report = walk(rules, world, options.steps // 2, options.seed, options.length)
        kind = "cold" if cold else "new"
        seconds = time.monotonic() - began
        print(f"{kind} post: {report.worlds} steps, {seconds:.0f} s:", report.found or "nothing broken")
        if report.found:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
