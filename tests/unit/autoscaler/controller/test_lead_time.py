"""The time that pods take to be ready: measured once after a raise, and in nobody's way."""

import pytest

from autoscaler.errors import ConflictError, ForbiddenError, ThrottledError
from tests.support.fake_kubernetes import API, TUNING, FakeApi, Rounds, failing

SEEN_S = [4.0, 6.0, 20.0]  # their median is 6, and a first measurement counts for three tenths
MIXED_S = TUNING.pod_startup_s + 0.3 * (6.0 - TUNING.pod_startup_s)


def raised(api: FakeApi | None = None) -> Rounds:
    """A second after a raise whose pods are ready: they have just been measured."""
    rounds = Rounds(api=api or FakeApi())
    rounds.go(8)
    rounds.api.leads_s = SEEN_S
    rounds.demand = 5_000  # 8 pods: one raise
    rounds.go(2)
    return rounds


def lead_s(rounds: Rounds) -> float:
    return rounds.loop.steered[API]._state.pod_startup_s


def test_it_is_measured_once_after_a_raise_and_mixed_with_what_was_known():
    rounds = raised()
    assert rounds.api.lists == 1
    rounds.go(40)  # longer than a slope is looked for: two jumps are a rise
    assert lead_s(rounds) == pytest.approx(MIXED_S)
    assert rounds.api.lists == 1
    rounds.demand = 10_000
    rounds.go(3)
    assert rounds.api.lists == 2


@pytest.mark.parametrize("held", ["paused", "another leads", "dry run"])
def test_while_nothing_may_be_done_no_pods_are_listed(held):
    rounds = Rounds()
    if held == "paused":
        rounds.api.edit(API, annotations={"likewise/paused": "yes"})
    else:
        rounds.why_not = held
    rounds.demand = 8_000
    rounds.go(60)
    assert (rounds.api.calls, rounds.api.lists) == ([], 0)


def test_while_another_is_left_alone_no_pods_are_listed():
    rounds = raised()
    rounds.api.edit_floor(4, "kubectl-edit")
    rounds.go(1)
    lists = rounds.api.lists
    rounds.go(20)
    assert rounds.api.lists == lists


@pytest.mark.parametrize("error", [ForbiddenError("no permission"), ThrottledError("busy")])
def test_a_list_that_fails_stops_no_raise_and_is_not_tried_each_round(error):
    api = FakeApi()
    failing(api, "lead_times_s", error)
    rounds = raised(api)
    assert rounds.api.lists == 1
    rounds.demand = 10_000
    rounds.go(1)
    assert rounds.api.floors[API].least >= 15
    assert rounds.loop.trouble == ""
    rounds.go(5)
    assert rounds.api.lists == 2
    assert lead_s(rounds) == TUNING.pod_startup_s


def test_a_conflict_loses_no_measurement():
    rounds = raised()
    failing(rounds.api, "set_floor", ConflictError("HPA"), times=2)
    rounds.demand = 10_000
    rounds.go(1)
    assert rounds.api.floors[API].least >= 15
    assert lead_s(rounds) == pytest.approx(MIXED_S)
