"""The protocol keeps its promises in everything explored, and each safeguard is necessary."""

from dataclasses import fields, replace

import pytest

from tests.model.explore import LONG, Checker, exhaust, follow, walk
from tests.model.state import Budget, Rules
from tests.model.world import start

# Small enough to be explored completely.
COMPLETE = {
    "two flushers, a crash": ("A", Budget(likes=2, flushes=3, crashes=1)),
    "two actors": ("AB", Budget(likes=2, flushes=2)),
    "an eviction": ("A", Budget(likes=2, reads=1, flushes=1, evictions=1)),
    "a failover": ("A", Budget(likes=2, flushes=1, failovers=1)),
    "FLUSHALL": ("A", Budget(likes=2, flushes=1, flushalls=1)),
    "an external change": ("A", Budget(likes=2, flushes=2, external_changes=1)),
    "a dead letter": ("A", Budget(likes=3, flushes=2, refusals=1)),
    "Postgres away": ("A", Budget(likes=2, flushes=2, evictions=1, degraded=1)),
}

# Too large to be explored completely: the nearest worlds, then random walks.
EVICTION = Budget(likes=2, reads=1, flushes=2, evictions=1)
FAILOVER = Budget(likes=2, flushes=2, failovers=1)
EXTERNAL = Budget(likes=2, flushes=2, external_changes=1)

# The budget with which the absence of each safeguard shows first.
VIOLATED_WITH = {
    "new_epoch_per_process": FAILOVER,
    "fence": FAILOVER,
    "start_offered_name_only": Budget(reads=1, flushes=1, failovers=1, flushalls=1, external_changes=1),
    "version_in_start_epoch": FAILOVER,
    "ticket": EVICTION,
    "evict_only_acknowledged": EVICTION,
    "reload_stale": FAILOVER,
    "delta_from_old_row": Budget(likes=2, flushes=1),
    "read_through": Budget(likes=2, flushes=3, crashes=1),
    "unknown_actor_misses": EVICTION,
    "acknowledge_at_head": Budget(likes=2, flushes=2),
    "newest_wins": Budget(likes=3, flushes=3),
    "invalidation_voids_tickets": EXTERNAL,
    "invalidation_needs_revision": EXTERNAL,
    "record_dead_letters": Budget(likes=2, flushes=2, refusals=1),
}


@pytest.mark.parametrize("cold", [False, True], ids=["new post", "cold post"])
@pytest.mark.parametrize("case", COMPLETE)
def test_no_violation_in_a_complete_exploration(case, cold):
    actors, budget = COMPLETE[case]
    report = exhaust(Rules(), start(actors, budget, cold))
    assert report.violation is None, str(report.violation)
    assert report.complete, f"{report.worlds} worlds were not all"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cold", [False, True], ids=["new post", "cold post"])
def test_no_violation_on_long_random_walks(seed, cold):
    report = walk(Rules(), start("AB", LONG, cold), count=4_000, seed=seed)
    assert report.violation is None, str(report.violation)


@pytest.mark.parametrize("rule", [rule.name for rule in fields(Rules) if rule.default])
def test_each_safeguard_is_necessary(rule):
    without = replace(Rules(), **{rule: False})
    report = exhaust(without, start("A", VIOLATED_WITH[rule]), limit=20_000)
    assert report.violation is not None, f"no violation without {rule} in {report.worlds} worlds: is it needed?"
    assert report.violation.trace, "a violation has the steps that led to it"


def test_a_violation_has_the_shortest_trace():
    without = replace(Rules(), delta_from_old_row=False)
    report = exhaust(without, start("A", VIOLATED_WITH["delta_from_old_row"]))
    assert str(report.violation).splitlines() == [
        "at the end n is -1, with 0 rows and the seed 0",
        "   1 like(A): MISS (epoch 1, d 0)",
        "   2 pod of like(A) loads n=0, liked=False",
        "   3 pod of like(A) installs n=0: done",
        "   4 unlike(A): done",
    ]


TWO_PRIMARIES = """fails over
fails over to a slow clock
read: NEWEPOCH
pod of read acquires epoch 2
pod of read starts epoch 2
pod of read loads
pod of read installs
unlike(A) at the zombie
unlike(A) at the zombie
like(A) at the zombie
unlike(A): MISS
pod of unlike(A) loads
pod of unlike(A) installs n=1: done
flusher 0 reads"""


def test_known_limit_a_demoted_primary_gets_an_epoch():
    """A primary that is demoted before its first call gets an epoch, if a pod with an old slot map calls it.

    A like that it then accepts can override newer likes at the true primary, if that one's clock is behind. If names
    were ordered by the cluster's configuration epoch (here by the run id), Postgres would refuse the older one.
    """
    world = start("A", Budget(likes=1, reads=1, flushes=2, failovers=2, zombie_likes=3), cold=True)
    there = follow(Rules(), world, [*TWO_PRIMARIES.splitlines(), "flusher 1 reads -A@404 +A@405 from the zombie"])
    there = follow(Rules(), there, ["flusher 1 commits"])
    assert Checker(Rules()).violation(there) is not None
    ordered = Rules(ordered_names=True)
    there = follow(ordered, world, TWO_PRIMARIES.splitlines())
    assert Checker(ordered).violation(there) is None
