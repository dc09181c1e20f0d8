"""Rounds of the control loop: the order of its writes, and its behavior when something fails or is missing."""

import json
import math
import threading
import time
from dataclasses import replace

import pytest

from autoscaler.controller.journal import KEY, parse
from autoscaler.controller.report import DRY_RUN
from autoscaler.errors import ClusterUnavailableError, ConflictError, ForbiddenError, RefusedError, ThrottledError
from autoscaler.policy.observation import PostRate
from autoscaler.signals.signals import Backlog
from tests.support.autoscaler.fake_kubernetes import API, FLUSHER, FakeKubernetesApi, Rounds, fail_calls
from tests.support.waiting import wait_for


def test_min_replicas_rise_before_the_deployment_and_fall_alone(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    assert [what for what, _ in rounds.api.writes[:2]] == ["hpa", f"scale {API}"]
    raised = rounds.api.hpas[API].min_replicas
    assert raised >= 10
    assert rounds.api.workloads[API].replicas == raised
    rounds.api.writes.clear()
    rounds.demand = 100
    rounds.go(60)
    assert {what for what, _ in rounds.api.writes} == {"hpa"}
    assert rounds.api.hpas[API].min_replicas == 2
    floors = [least for _, least in rounds.api.writes]
    assert floors == sorted(floors, reverse=True)


def test_a_deployment_behind_min_replicas_is_scaled_again(rounds):
    fail_calls(rounds.api, "scale", ClusterUnavailableError("away"), times=1)
    rounds.demand = 6_000
    rounds.go(1)
    assert [what for what, _ in rounds.api.writes] == ["hpa"]
    rounds.go(1)
    assert rounds.api.workloads[API].replicas == rounds.api.hpas[API].min_replicas


def test_max_replicas_of_the_hpa_and_the_configured_minimum_are_respected():
    rounds = Rounds()
    rounds.api.hpas[API] = replace(rounds.api.hpas[API], max_replicas=5)
    rounds.demand = 50_000
    rounds.go(5)
    assert (rounds.api.hpas[API].min_replicas, rounds.api.workloads[API].replicas) == (5, 5)
    rounds = Rounds()
    rounds.api.hpas[API] = replace(rounds.api.hpas[API], min_replicas=1, max_replicas=1)
    rounds.go(3)
    # The minimum is 2, and the HPA allows 1.
    assert rounds.api.writes == []


def test_flushers_are_scaled_by_their_backlog(rounds):
    rounds.backlog = Backlog(0, 400_000, 6.0, 20_000)
    rounds.go(5)
    assert rounds.api.workloads[FLUSHER].replicas > 2
    assert not [what for what, _ in rounds.api.writes if what != f"scale {FLUSHER}"]


def test_a_conflict_is_decided_again_in_the_same_round(rounds):
    fail_calls(rounds.api, "set_min_replicas", ConflictError("HPA"), times=2)
    rounds.demand = 8_000
    rounds.go(1)
    assert rounds.api.writes
    assert "CannotScale" not in rounds.api.reasons()


def test_endless_conflicts_are_recorded(rounds):
    fail_calls(rounds.api, "set_min_replicas", ConflictError("the HPA has changed"))
    rounds.demand = 8_000
    rounds.go(3)
    assert rounds.api.writes == []
    assert ("CannotScale", "the HPA has changed") in rounds.api.events


@pytest.mark.parametrize(
    "call", ["deployment", "hpa", "set_min_replicas", "scale", "write_config_map", "read_config_map"]
)
def test_a_pause_requested_by_the_api_server_is_respected(rounds, call):
    if call == "read_config_map":
        rounds = Rounds()
    fail_calls(rounds.api, call, ThrottledError("busy", retry_after_s=7))
    rounds.demand = 8_000
    assert rounds.go(1) == 7


@pytest.mark.parametrize("error", [ClusterUnavailableError("the API server is away"), ForbiddenError("no permission")])
def test_a_failure_is_recorded_once_and_tried_again(rounds, error):
    fail_calls(rounds.api, "set_min_replicas", error)
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.writes == []
    assert rounds.api.events.count(("CannotScale", str(error))) == 1
    assert rounds.loop.first_error == str(error)
    rounds.api.before_call = lambda call: None
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas >= 8
    assert rounds.loop.first_error == ""


def test_a_failure_whose_figures_change_is_recorded_once(rounds):
    numbers = iter(range(10, 1_000))

    def refuse(call: str) -> None:
        if call == "scale":
            raise RefusedError(f"scaling to {next(numbers)}: no quota")

    rounds.api.before_call = refuse
    for _ in range(20):
        # Each round asks for another number.
        rounds.demand += 500
        rounds.go(1)
    assert rounds.api.reasons().count("CannotScale") == 1


def test_an_hpa_of_another_deployment_is_left_alone_and_recorded(rounds):
    rounds.api.hpas[API] = replace(rounds.api.hpas[API], target="Deployment/shop")
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.writes == []
    sentence = "HPA likewise-api scales Deployment/shop, not Deployment/likewise-api: it is left alone"
    assert rounds.api.events.count(("CannotScale", sentence)) == 1


def test_each_deployment_is_paused_separately(rounds):
    rounds.api.edit(API, annotations={"autoscaler.likewise.dev/paused": "true"})
    rounds.go(1)
    paused = {
        one.labels["deployment"]: one.value
        for family in rounds.loop.metrics.registry.collect()
        for one in family.samples
        if one.name == "likewise_autoscaler_paused"
    }
    assert paused == {API: 1, FLUSHER: 0}


def test_an_impossible_rate_of_a_post_does_not_stop_the_rounds(rounds):
    rounds.posts = (PostRate("a", math.inf), PostRate("b", math.nan))
    rounds.demand = 8_000
    rounds.go(3)
    assert rounds.loop.first_error == ""
    assert rounds.api.hpas[API].min_replicas >= 8


def test_a_long_pause_requested_by_the_api_server_is_not_a_hang(rounds):
    fail_calls(rounds.api, "deployment", ThrottledError("busy", retry_after_s=86_400))
    ended = threading.Event()
    thread = threading.Thread(target=rounds.loop.run, args=(ended,))
    thread.start()
    try:
        # Once the round is over, the loop waits.
        wait_for(lambda: rounds.loop.events._recorded)
        before = rounds.loop._heartbeat_at
        # A heartbeat never lies in the future.
        assert before <= time.monotonic()
        wait_for(lambda: rounds.loop._heartbeat_at > before)
        assert rounds.loop.is_live()
    finally:
        ended.set()
        thread.join()


def test_a_missing_deployment_does_not_stop_the_other(rounds):
    del rounds.api.workloads[API]
    rounds.backlog = Backlog(0, 400_000, 6.0, 20_000)
    rounds.go(5)
    assert rounds.api.workloads[FLUSHER].replicas > 2


def test_a_bug_ends_one_round_of_one_deployment(rounds):
    fail_calls(rounds.api, "hpa", ValueError("a bug"), times=1)
    rounds.backlog, rounds.demand = Backlog(0, 400_000, 6.0, 20_000), 8_000
    rounds.go(1)
    assert rounds.loop.first_error == "ValueError('a bug')"
    assert rounds.api.workloads[FLUSHER].replicas > 2
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas >= 8


def test_a_replica_that_does_not_lead_observes_and_writes_nothing(rounds):
    rounds.suppressed_by, rounds.leads, rounds.demand = "another leads", False, 8_000
    rounds.go(5)
    assert (rounds.api.writes, rounds.api.events) == ([], [])
    writes = rounds.api.config_map_writes
    rounds.suppressed_by, rounds.leads = "", True
    rounds.go(1)
    # It scales at once, because it has observed all along.
    assert rounds.api.hpas[API].min_replicas >= 8
    assert rounds.api.config_map_writes > writes


def test_a_lease_that_ends_within_a_round_stops_the_write(rounds):
    # The round began while the lease was held.
    rounds.leads, rounds.demand = False, 8_000
    rounds.go(2)
    assert rounds.api.writes == []


def test_a_new_leader_writes_the_hpa_first(rounds):
    assert rounds.api.hpas[API].annotations["autoscaler.likewise.dev/leader"] == "me"
    version = rounds.api.hpas[API].version
    rounds.go(3)
    assert rounds.api.hpas[API].version == version
    rounds.suppressed_by = "another leads"
    rounds.go(1)
    rounds.suppressed_by = ""
    rounds.go(1)
    assert rounds.api.hpas[API].version != version


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"unreadable": "Redis is away"}, "no pod has reported"),
        ({"report_ahead_s": 60.0}, "the newest report is 60 s in the future"),
        ({"report_ahead_s": -60.0}, "the newest report is 60 s old"),
    ],
)
def test_without_data_it_keeps_the_number_and_records_that_once(rounds, fault, why):
    rounds.demand = 8_000
    rounds.go(6)
    before, rounds.demand = rounds.api.hpas[API].min_replicas, 10
    rounds.api.writes.clear()
    for name, value in fault.items():
        setattr(rounds, name, value)
    rounds.go(200)
    assert rounds.api.writes == []
    assert rounds.api.hpas[API].min_replicas == before
    messages = [message for reason, message in rounds.api.events if reason == "NoData" and "flusher" not in message]
    assert len(messages) == 1
    assert why in messages[0]


def test_a_dry_run_writes_nothing():
    rounds = Rounds(suppressed_by=DRY_RUN, leads=False, demand=8_000)
    rounds.go(8)
    assert (rounds.api.writes, rounds.api.events, rounds.api.config_map) == ([], [], {})


def test_decisions_are_stored_for_people_and_for_the_next_leader(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    changes, last = parse(rounds.api.config_map[KEY])
    assert changes[0].action.startswith("minReplicas 2 to ")
    assert {entry.deployment for entry in last} == {API, FLUSHER}
    follower = Rounds(api=rounds.api)
    follower.demand = 8_000
    follower.go(20)
    assert parse(rounds.api.config_map[KEY])[0][: len(changes)] == changes


def test_unchanged_decisions_are_stored_every_15_seconds(rounds):
    writes = rounds.api.config_map_writes
    rounds.go(60)
    assert 3 <= rounds.api.config_map_writes - writes <= 5


def test_unknown_stored_decisions_are_replaced(rounds):
    api = FakeKubernetesApi()
    api.config_map[KEY] = json.dumps({"changes": [{"of": "another release"}], "last": []})
    Rounds(api=api).go(20)
    assert parse(api.config_map[KEY])[1]
