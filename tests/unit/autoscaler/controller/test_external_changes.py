"""Changes by people, Helm and GitOps: the autoscaler records them and does not fight them."""

import re
from dataclasses import replace

from autoscaler.controller.journal import KEY, parse
from tests.support.autoscaler.fake_kubernetes import API, Rounds


def test_an_external_min_replicas_is_left_alone_and_then_kept_as_the_baseline(rounds):
    rounds.demand = 8_000
    rounds.go(6)
    rounds.api.edit_hpa(4, "kubectl-edit")
    rounds.api.writes.clear()
    rounds.go(29)
    assert rounds.api.writes == []
    suppressed = [entry for entry in parse(rounds.api.config_map[KEY])[0] if entry.suppressed_by]
    # A suppressed change is stored once, not once a second.
    assert len(suppressed) <= 3
    reason, message = rounds.api.events[-1]
    assert reason == "ExternalChange"
    assert re.fullmatch(r"minReplicas was set from \d+ to 4 by kubectl-edit: left alone for 30 s, then .*", message)
    rounds.go(3)
    assert rounds.api.hpas[API].min_replicas >= 10
    rounds.demand = 10
    rounds.go(80)
    assert rounds.api.hpas[API].min_replicas == 4


def test_a_recreated_hpa_is_not_an_external_change(rounds):
    rounds.api.hpas[API] = replace(
        rounds.api.hpas[API], uid="another", min_replicas=1, writers=("helm",), annotations={}
    )
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas == 2
    assert "ExternalChange" not in rounds.api.reasons()


def test_a_deployment_that_was_switched_off_stays_off(rounds):
    rounds.api.edit(API, replicas=0, ready=0)
    rounds.demand = 8_000
    rounds.go(5)
    assert rounds.api.writes == []


def test_without_an_hpa_an_external_scale_is_left_alone_for_a_while():
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


def test_own_scaling_is_not_an_external_change_even_without_a_record_of_writers():
    rounds = Rounds(hpa="")
    rounds.api.scale_writers = ()
    rounds.api.workloads[API] = replace(rounds.api.workloads[API], writers=())
    waiting = Rounds(api=rounds.api, hpa="", suppressed_by="another leads", leads=False)
    rounds.demand = waiting.demand = 8_000
    for _ in range(12):
        rounds.go(1)
        waiting.go(1)
    assert "ExternalChange" not in rounds.api.reasons()
    assert rounds.api.workloads[API].replicas >= 10
    # The next leader does not mistake the previous leader's number for an external change.
    waiting.suppressed_by, waiting.leads, waiting.demand = "", True, 16_000
    waiting.go(4)
    assert rounds.api.workloads[API].replicas >= 20
    rounds.api.edit(API, replicas=3)
    waiting.go(1)
    assert rounds.api.events[-1][0] == "ExternalChange"
