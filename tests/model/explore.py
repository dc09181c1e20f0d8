"""The search for violations: breadth first and exhaustive, or by random walks."""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from dataclasses import dataclass, replace

from tests.model.protocol import is_current, is_missing, is_stale
from tests.model.state import SENTINEL, Budget, Row, Rules, World
from tests.model.world import start, steps

Trace = tuple[str, ...]
# A world that is not quiescent after this many steps never will be.
_MAX_STEPS_TO_QUIESCENCE = 80


@dataclass(frozen=True)
class Violation:
    """A violated promise, and the steps that led to it."""

    message: str
    trace: Trace

    def __str__(self) -> str:
        lines = [f"  {number:2} {label}" for number, label in enumerate(self.trace, 1)]
        return "\n".join([self.message, *lines])


@dataclass(frozen=True)
class Report:
    violation: Violation | None
    worlds: int
    complete: bool


class Checker:
    """Checks the promises in a world: at once, and after everything in progress has finished."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._checked: dict[World, str | None] = {}

    def violation(self, world: World) -> str | None:
        return self._check_shown(world) or self._check_quiescent(world)

    def _check_shown(self, world: World) -> str | None:
        """Check that b + p is what Postgres will count once the stream is flushed, unless the post is stale."""
        shown = count_shown(self.rules, world)
        if shown is None or world.external_change is not None or is_stale(self.rules, world.redis, world.redis.count):
            return None
        if any(entry.degraded for entry in world.redis.stream):
            return None
        expected = count_expected(world)
        return None if shown == expected else f"shows {shown} instead of {expected}"

    def _check_quiescent(self, world: World) -> str | None:
        budget = Budget(flushes=99)
        quiet = replace(world, budget=budget, zombie=None, replica=world.redis, replica_acknowledged=())
        if quiet not in self._checked:
            self._checked[quiet] = check_after_quiescence(self.rules, quiet)
        return self._checked[quiet]


def check_after_quiescence(rules: Rules, world: World) -> str | None:
    """Let pods and flushers finish without further faults, then compare."""
    for _ in range(_MAX_STEPS_TO_QUIESCENCE):
        following = next(steps(rules, world), None)
        if following is None:
            return compare(rules, world)
        world = following[1]
    return "never becomes quiescent"


def compare(rules: Rules, world: World) -> str | None:
    postgres = world.postgres
    liked = {row.actor for row in postgres.rows if row.liked}
    shown = count_shown(rules, world)
    if postgres.n != len(liked) + postgres.seed:
        return f"at the end n is {postgres.n}, with {len(liked)} rows and the seed {postgres.seed}"
    if shown not in (None, postgres.n):
        return f"at the end Redis shows {shown}, Postgres has {postgres.n}"
    for last in world.acknowledged:
        if last.liked is not None and last.liked != (last.actor in liked):
            return f"the last acknowledged request of {last.actor} is lost: liked={last.liked}"
        if state_shown(rules, world, last.actor) != (last.actor in liked):
            return f"{last.actor} is shown liked={last.actor not in liked}, Postgres has the contrary"
    return None


def count_shown(rules: Rules, world: World) -> int | None:
    """Return the count that Redis answers a read with; None if it would load."""
    count = world.redis.count
    if count is None or not is_current(world.redis, world.run) or is_missing(rules, world.redis):
        return None
    return count.base + count.pending


def count_expected(world: World) -> int:
    """Return Postgres' count once the stream is flushed."""
    rows = {row.actor: row for row in world.postgres.rows}
    for entry in world.redis.stream:
        if entry.actor not in rows or rows[entry.actor].version < entry.version:
            rows[entry.actor] = Row(entry.actor, entry.liked, entry.version)
    return sum(row.liked for row in rows.values()) + world.postgres.seed


def state_shown(rules: Rules, world: World, actor: str) -> bool:
    """Return the state of an actor's like, as the actor sees it."""
    redis = world.redis
    if count_shown(rules, world) is not None and not is_stale(rules, redis, redis.count):
        likes = redis.likes or frozenset()
        if actor in likes:
            return True
        if SENTINEL in likes or actor in (redis.unlikes or frozenset()):
            return False
    return any(row.liked for row in world.postgres.rows if row.actor == actor)


def exhaust(rules: Rules, world: World, limit: int = 50_000) -> Report:
    """Explore every world within the budget, nearest first, so that a violation has the shortest trace."""
    checker = Checker(rules)
    before: dict[World, tuple[World, str] | None] = {world: None}
    queue = deque([world])
    while queue and len(before) < limit:
        here = queue.popleft()
        message = checker.violation(here)
        if message:
            return Report(Violation(message, trace_to(before, here)), len(before), False)
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
    """Return the world after these steps, each given by the beginning of its description."""
    for label in labels:
        here = dict(reversed(list(steps(rules, world))))
        chosen = [there for description, there in here.items() if description.startswith(label)]
        if not chosen:
            raise LookupError(f"no step {label!r}, but: {', '.join(here)}")
        world = chosen[-1]
    return world


def walk(rules: Rules, world: World, count: int, seed: int, length: int = 45) -> Report:
    """Walk at random for `count` steps in all, and check about every third step. Keep the shortest trace found."""
    chance = random.Random(seed)
    found: Violation | None = None
    taken = 0
    while taken < count:
        checker, here, trace = Checker(rules), world, ()
        for _ in range(length):
            choices = list(steps(rules, here))
            if not choices:
                break
            label, here = chance.choice(choices)
            trace, taken = (*trace, label), taken + 1
            if found is not None and len(trace) >= len(found.trace):
                break
            message = chance.random() < 0.35 and checker.violation(here)
            if message:
                found = Violation(message, trace)
                break
        else:
            continue
    return Report(found, taken, False)


LONG = Budget(
    likes=8,
    reads=2,
    flushes=10,
    crashes=2,
    evictions=3,
    failovers=2,
    flushalls=1,
    external_changes=2,
    refusals=1,
    degraded=1,
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Explore the model of the like protocol by random walks.")
    parser.add_argument("--steps", type=int, default=200_000, help="total number of steps")
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
        print(f"{kind} post: {report.worlds} steps, {seconds:.0f} s:", report.violation or "no violation")
        if report.violation:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
