"""Rounds of the autoscaler: what it does in which order, and what it leaves when parts are away or in other hands."""

import json
import math
import threading
import time
from dataclasses import replace

import pytest

from autoscaler.controller.journal import KEY, read
from autoscaler.controller.loop import DRY_RUN
from autoscaler.errors import ClusterUnavailableError, ConflictError, ForbiddenError, RefusedError, ThrottledError
from autoscaler.policy.observation import PostRate
from autoscaler.signals.signals import Backlog
from tests.support.fake_kubernetes import API, FLUSHER, FakeApi, Rounds, failing
from tests.support.waiting import wait_for


def test_the_floor_comes_before_the_deployment_and_goes_down_alone(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    assert [what for what, _ in rounds.api.calls[:2]] == ["floor", f"scale {API}"]
    raised = rounds.api.floors[API].least
    assert raised >= 10
    assert rounds.api.workloads[API].replicas == raised
    rounds.api.calls.clear()
    rounds.demand = 100
    rounds.go(60)
    assert {what for what, _ in rounds.api.calls} == {"floor"}
    assert rounds.api.floors[API].least == 2
    floors = [least for _, least in rounds.api.calls]
    assert floors == sorted(floors, reverse=True)


def test_a_deployment_that_lags_behind_the_floor_is_scaled_again(rounds):
    failing(rounds.api, "scale", ClusterUnavailableError("away"), times=1)
    rounds.demand = 6_000
    rounds.go(1)
    assert [what for what, _ in rounds.api.calls] == ["floor"]
    rounds.go(1)
    assert rounds.api.workloads[API].replicas == rounds.api.floors[API].least


def test_the_hpas_ceiling_and_the_own_base_hold():
    rounds = Rounds()
    rounds.api.floors[API] = replace(rounds.api.floors[API], most=5)
    rounds.demand = 50_000
    rounds.go(5)
    assert (rounds.api.floors[API].least, rounds.api.workloads[API].replicas) == (5, 5)
    rounds = Rounds()
    rounds.api.floors[API] = replace(rounds.api.floors[API], least=1, most=1)
    rounds.go(3)
    assert rounds.api.calls == []  # the base is 2, and the HPA allows 1


def test_flushers_are_scaled_by_what_waits(rounds):
    rounds.backlog = Backlog(0, 400_000, 6.0, 20_000)
    rounds.go(5)
    assert rounds.api.workloads[FLUSHER].replicas > 2
    assert not [what for what, _ in rounds.api.calls if what != f"scale {FLUSHER}"]


def test_a_conflict_is_looked_at_again_in_the_same_round(rounds):
    failing(rounds.api, "set_floor", ConflictError("HPA"), times=2)
    rounds.demand = 8_000
    rounds.go(1)
    assert rounds.api.calls
    assert "CannotScale" not in rounds.api.reasons()


def test_conflicts_without_end_are_a_trouble_that_is_said(rounds):
    failing(rounds.api, "set_floor", ConflictError("the HPA has changed"))
    rounds.demand = 8_000
    rounds.go(3)
    assert rounds.api.calls == []
    assert ("CannotScale", "the HPA has changed") in rounds.api.said


@pytest.mark.parametrize("call", ["deployment", "floor", "set_floor", "scale", "keep", "kept"])
def test_an_api_server_that_asks_for_time_gets_it(rounds, call):
    if call == "kept":
        rounds = Rounds()
    failing(rounds.api, call, ThrottledError("busy", retry_after_s=7))
    rounds.demand = 8_000
    assert rounds.go(1) == 7


@pytest.mark.parametrize("error", [ClusterUnavailableError("the API server is away"), ForbiddenError("no permission")])
def test_what_is_not_to_be_had_is_said_once_and_tried_again(rounds, error):
    failing(rounds.api, "set_floor", error)
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.calls == []
    assert rounds.api.said.count(("CannotScale", str(error))) == 1
    assert rounds.loop.trouble == str(error)
    rounds.api.failing = lambda call: None
    rounds.go(1)
    assert rounds.api.floors[API].least >= 8
    assert rounds.loop.trouble == ""


def test_a_trouble_whose_figures_change_is_said_once(rounds):
    numbers = iter(range(10, 1_000))

    def refuse(call: str) -> None:
        if call == "scale":
            raise RefusedError(f"scaling to {next(numbers)}: no quota")

    rounds.api.failing = refuse
    for _ in range(20):
        rounds.demand += 500  # a ramp: each round asks for another number
        rounds.go(1)
    assert rounds.api.reasons().count("CannotScale") == 1


def test_an_hpa_of_another_deployment_is_left_alone_and_said(rounds):
    rounds.api.floors[API] = replace(rounds.api.floors[API], target="Deployment/shop")
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.calls == []
    sentence = "HPA likewise-api scales Deployment/shop, not Deployment/likewise-api: it is left alone"
    assert rounds.api.said.count(("CannotScale", sentence)) == 1


def test_each_deployment_has_its_own_word_on_being_paused(rounds):
    rounds.api.edit(API, annotations={"likewise/paused": "true"})
    rounds.go(1)
    paused = {
        one.labels["deployment"]: one.value
        for family in rounds.loop.metrics.registry.collect()
        for one in family.samples
        if one.name == "likewise_autoscaler_paused"
    }
    assert paused == {API: 1, FLUSHER: 0}


def test_a_post_whose_rate_can_not_be_is_no_slip_of_every_round(rounds):
    rounds.posts = (PostRate("a", math.inf), PostRate("b", math.nan))
    rounds.demand = 8_000
    rounds.go(3)
    assert rounds.loop.trouble == ""
    assert rounds.api.floors[API].least >= 8


def test_waiting_as_long_as_one_is_told_is_no_standing_still(rounds):
    failing(rounds.api, "deployment", ThrottledError("busy", retry_after_s=86_400))
    ended = threading.Event()
    thread = threading.Thread(target=rounds.loop.run, args=(ended,))
    thread.start()
    try:
        wait_for(lambda: rounds.loop.events._said)  # the round is over: it waits
        before = rounds.loop._beat_s
        assert before <= time.monotonic()  # a wait is no sign of life ahead of its time
        wait_for(lambda: rounds.loop._beat_s > before)
        assert rounds.loop.is_live()
    finally:
        ended.set()
        thread.join()


def test_one_deployment_that_is_gone_does_not_keep_the_other(rounds):
    del rounds.api.workloads[API]
    rounds.backlog = Backlog(0, 400_000, 6.0, 20_000)
    rounds.go(5)
    assert rounds.api.workloads[FLUSHER].replicas > 2


def test_a_slip_of_ours_ends_one_round_of_one_deployment(rounds):
    failing(rounds.api, "floor", ValueError("a slip"), times=1)
    rounds.backlog, rounds.demand = Backlog(0, 400_000, 6.0, 20_000), 8_000
    rounds.go(1)
    assert rounds.loop.trouble == "ValueError('a slip')"
    assert rounds.api.workloads[FLUSHER].replicas > 2
    rounds.go(1)
    assert rounds.api.floors[API].least >= 8


def test_without_a_lease_all_is_seen_and_nothing_done(rounds):
    rounds.why_not, rounds.leads, rounds.demand = "another leads", False, 8_000
    rounds.go(5)
    assert (rounds.api.calls, rounds.api.said) == ([], [])
    keeps = rounds.api.keeps
    rounds.why_not, rounds.leads = "", True
    rounds.go(1)
    assert rounds.api.floors[API].least >= 8  # at once: it knew
    assert rounds.api.keeps > keeps


def test_a_lease_that_ends_within_a_round_stops_the_write(rounds):
    rounds.leads, rounds.demand = False, 8_000  # the round began while it was held
    rounds.go(2)
    assert rounds.api.calls == []


def test_who_takes_over_touches_the_hpa_first(rounds):
    assert rounds.api.floors[API].annotations["likewise/leader"] == "me"
    version = rounds.api.floors[API].version
    rounds.go(3)
    assert rounds.api.floors[API].version == version  # once is enough
    rounds.why_not = "another leads"
    rounds.go(1)
    rounds.why_not = ""
    rounds.go(1)
    assert rounds.api.floors[API].version != version


@pytest.mark.parametrize(
    ("blind", "why"),
    [
        ({"unreadable": "Redis is away"}, "no pod has reported"),
        ({"told_ahead_s": 60.0}, "the newest report is 60 s in the future"),
        ({"told_ahead_s": -60.0}, "the newest report is 60 s old"),
    ],
)
def test_blind_it_keeps_what_is_there_and_says_so_once(rounds, blind, why):
    rounds.demand = 8_000
    rounds.go(6)
    before, rounds.demand = rounds.api.floors[API].least, 10
    rounds.api.calls.clear()
    for name, value in blind.items():
        setattr(rounds, name, value)
    rounds.go(200)
    assert rounds.api.calls == []
    assert rounds.api.floors[API].least == before
    said = [message for reason, message in rounds.api.said if reason == "Blind" and "flusher" not in message]
    assert len(said) == 1
    assert why in said[0]


def test_a_dry_run_does_nothing_and_keeps_nothing():
    rounds = Rounds(why_not=DRY_RUN, leads=False, demand=8_000)
    rounds.go(8)
    assert (rounds.api.calls, rounds.api.said, rounds.api.data) == ([], [], {})


def test_decisions_are_kept_for_people_and_for_who_leads_next(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    changes, last = read(rounds.api.data[KEY])
    assert changes[0].done.startswith("floor 2 to ")
    assert {entry.deployment for entry in last} == {API, FLUSHER}
    follower = Rounds(api=rounds.api)
    follower.demand = 8_000
    follower.go(20)
    assert read(rounds.api.data[KEY])[0][: len(changes)] == changes


def test_nothing_new_is_kept_every_quarter_of_a_minute(rounds):
    keeps = rounds.api.keeps
    rounds.go(60)
    assert 3 <= rounds.api.keeps - keeps <= 5


def test_kept_decisions_of_another_form_are_left(rounds):
    api = FakeApi()
    api.data[KEY] = json.dumps({"changes": [{"of": "another release"}], "last": []})
    Rounds(api=api).go(20)
    assert read(api.data[KEY])[1]
