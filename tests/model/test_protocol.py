"""The protocol keeps its promises in everything explored, and none of its safeguards can be left out."""

from dataclasses import fields, replace

import pytest

from tests.model.explore import LONG, Judge, exhaust, follow, walk
from tests.model.state import Budget, Rules
from tests.model.world import start

# Small enough to explore whole.
WHOLE = {
    "two flushers, a crash": ("A", Budget(wishes=2, flushes=3, crashes=1)),
    "two actors": ("AB", Budget(wishes=2, flushes=2)),
    "an eviction": ("A", Budget(wishes=2, reads=1, flushes=1, evictions=1)),
    "a failover": ("A", Budget(wishes=2, flushes=1, failovers=1)),
    "a wipe": ("A", Budget(wishes=2, flushes=1, wipes=1)),
    "a change from outside": ("A", Budget(wishes=2, flushes=2, outside=1)),
    "a dead letter": ("A", Budget(wishes=3, flushes=2, refusals=1)),
    "Postgres away": ("A", Budget(wishes=2, flushes=2, evictions=1, blind=1)),
}

# Too many to explore whole: the nearest worlds, and then at random.
EVICTION = Budget(wishes=2, reads=1, flushes=2, evictions=1)
FAILOVER = Budget(wishes=2, flushes=2, failovers=1)
OUTSIDE = Budget(wishes=2, flushes=2, outside=1)

# Where leaving out a safeguard shows first.
SHOWS = {
    "life": FAILOVER,
    "fence": FAILOVER,
    "only_the_candidate": Budget(reads=1, flushes=1, failovers=1, wipes=1, outside=1),
    "version_in_begin": FAILOVER,
    "ticket": EVICTION,
    "leave_only_settled": EVICTION,
    "doubt": FAILOVER,
    "old_liked_delta": Budget(wishes=2, flushes=1),
    "reads_on": Budget(wishes=2, flushes=3, crashes=1),
    "unknown_misses": EVICTION,
    "head_of_stream": Budget(wishes=2, flushes=2),
    "newest_wins": Budget(wishes=3, flushes=3),
    "doubt_voids_tickets": OUTSIDE,
    "doubt_needs_revision": OUTSIDE,
    "refusals_stick": Budget(wishes=2, flushes=2, refusals=1),
}


@pytest.mark.parametrize("cold", [False, True], ids=["new post", "cold post"])
@pytest.mark.parametrize("case", WHOLE)
def test_nothing_breaks_in_all_of_a_small_world(case, cold):
    actors, budget = WHOLE[case]
    report = exhaust(Rules(), start(actors, budget, cold))
    assert report.found is None, str(report.found)
    assert report.complete, f"{report.worlds} worlds were not all"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cold", [False, True], ids=["new post", "cold post"])
def test_nothing_breaks_on_long_random_walks(seed, cold):
    report = walk(Rules(), start("AB", LONG, cold), count=4_000, seed=seed)
    assert report.found is None, str(report.found)


@pytest.mark.parametrize("rule", [rule.name for rule in fields(Rules) if rule.default])
def test_leaving_out_a_safeguard_breaks_a_promise(rule):
    without = replace(Rules(), **{rule: False})
    report = exhaust(without, start("A", SHOWS[rule]), limit=20_000)
    assert report.found is not None, f"nothing breaks without {rule} in {report.worlds} worlds: is it needed?"
    assert report.found.trace, "a violation comes with what led to it"


def test_a_violation_tells_its_shortest_way():
    report = exhaust(replace(Rules(), old_liked_delta=False), start("A", SHOWS["old_liked_delta"]))
    assert str(report.found).splitlines() == [
        "at rest n is -1, the rows are 0 and the seed 0",
        "   1 like(A): MISS (life 1, d 0)",
        "   2 pod of like(A) loads n=0, liked=False",
        "   3 pod of like(A) installs n=0: done",
        "   4 unlike(A): done",
    ]


TWO_PRIMARIES = """fails over
fails over to a slow clock
read: NEWLIFE
pod of read registers life 2
pod of read begins life 2
pod of read loads
pod of read installs
unlike(A) at the zombie
unlike(A) at the zombie
like(A) at the zombie
unlike(A): MISS
pod of unlike(A) loads
pod of unlike(A) installs n=1: done
flusher 0 reads"""


def test_known_limit_a_zombie_that_never_had_a_life_takes_one():
    """Promoted and demoted before its first call, and asked by an old slot map: the protocol gives it a life.

    What it takes then can outlive newer wishes at the true primary, whose clock is behind. Were names ordered by
    the cluster's configuration epoch (here by the run id), Postgres would refuse the older one.
    """
    world = start("A", Budget(wishes=1, reads=1, flushes=2, failovers=2, strays=3), cold=True)
    there = follow(Rules(), world, [*TWO_PRIMARIES.splitlines(), "flusher 1 reads -A@404 +A@405 from the zombie"])
    there = follow(Rules(), there, ["flusher 1 commits"])
    assert Judge(Rules()).broken(there) is not None
    ordered = Rules(epoch=True)
    there = follow(ordered, world, TWO_PRIMARIES.splitlines())
    assert Judge(ordered).broken(there) is None
