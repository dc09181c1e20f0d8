"""Others' edits, pauses and wishes: seen, said, and not fought."""

import re
from dataclasses import replace
from datetime import timedelta

from autoscaler.controller.journal import KEY, read
from tests.support.fake_kubernetes import API, Rounds


def test_anothers_floor_is_said_left_alone_and_then_the_base(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    rounds.api.edit_floor(4, "kubectl-edit")
    rounds.api.calls.clear()
    rounds.go(29)
    assert rounds.api.calls == []
    held = [entry for entry in read(rounds.api.data[KEY])[0] if entry.held_back]
    assert len(held) <= 3  # and not one a second
    reason, message = rounds.api.said[-1]
    assert reason == "EditedByOther"
    assert re.fullmatch(r"minReplicas was set from \d+ to 4 by kubectl-edit: left alone for 30 s, then .*", message)
    rounds.go(3)
    assert rounds.api.floors[API].least >= 10
    rounds.demand = 10
    rounds.go(80)
    assert rounds.api.floors[API].least == 4


def test_an_hpa_that_was_made_anew_is_nobodys_edit(rounds):
    rounds.api.floors[API] = replace(rounds.api.floors[API], uid="another", least=1, writers=("helm",), annotations={})
    rounds.go(1)
    assert rounds.api.floors[API].least == 2
    assert "EditedByOther" not in rounds.api.reasons()


def test_a_deployment_that_was_switched_off_stays_off(rounds):
    rounds.api.edit(API, replicas=0, ready=0)
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.calls == []


def test_without_an_hpa_anothers_scale_is_left_alone_for_a_while():
    rounds = Rounds(hpa="")
    rounds.demand = 8_000
    rounds.go(6)
    wanted = rounds.api.workloads[API].replicas
    assert wanted >= 10
    rounds.api.edit(API, replicas=3, writers=("kubectl",))
    rounds.go(20)
    assert rounds.api.workloads[API].replicas == 3
    rounds.go(15)
    assert rounds.api.workloads[API].replicas > 3


def test_its_own_scaling_is_nobodys_edit_though_nobody_keeps_account():
    rounds = Rounds(hpa="")
    rounds.api.scaler = ()
    rounds.api.workloads[API] = replace(rounds.api.workloads[API], writers=())
    waiting = Rounds(api=rounds.api, hpa="", why_not="another leads", leads=False)
    rounds.demand = waiting.demand = 8_000
    for _ in range(12):
        rounds.go(1)
        waiting.go(1)
    assert "EditedByOther" not in rounds.api.reasons()
    assert rounds.api.workloads[API].replicas >= 10
    waiting.why_not, waiting.leads, waiting.demand = "", True, 16_000
    waiting.go(4)
    assert rounds.api.workloads[API].replicas >= 20  # who takes over takes the leader's number for no edit either
    rounds.api.edit(API, replicas=3)
    waiting.go(1)
    assert rounds.api.said[-1][0] == "EditedByOther"


def test_people_pause_it_and_ask_ahead(rounds):
    until = f"{rounds.wall() + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"
    rounds.api.edit(API, annotations={"likewise/prewarm": f"7 until {until}", "likewise/paused": "yes"})
    rounds.go(3)
    assert rounds.api.calls == []
    assert rounds.api.reasons()[-2:] == ["Paused", "Prewarmed"]
    rounds.api.edit(API, annotations={"likewise/prewarm": f"7 until {until}"})
    rounds.go(1)
    assert rounds.api.floors[API].least == 7
    rounds.go(60)
    assert rounds.api.floors[API].least == 2


def test_a_wish_that_can_not_be_read_is_said_and_not_followed(rounds):
    rounds.api.edit(API, annotations={"likewise/prewarm": "7 until tomorrow"})
    rounds.go(3)
    assert rounds.api.calls == []
    assert [reason for reason in rounds.api.reasons() if reason == "PrewarmRefused"] == ["PrewarmRefused"]
