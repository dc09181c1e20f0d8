"""Requests of operators by annotations of the Deployment, with the new keys and with the old ones."""

from dataclasses import replace
from datetime import timedelta

import pytest

from autoscaler.kubernetes.annotations import BASELINE, OLD_KEYS, PAUSED, PREWARM
from tests.support.autoscaler.fake_kubernetes import API, Rounds

NEW = {key: key for key in OLD_KEYS}


def in_30_s(rounds: Rounds) -> str:
    return f"7 until {rounds.wall() + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"


def test_the_keys_are_qualified():
    assert all(key.startswith("autoscaler.likewise.dev/") for key in OLD_KEYS)


@pytest.mark.parametrize("keys", [NEW, OLD_KEYS])
def test_operators_can_pause_and_prewarm(rounds, keys):
    request = in_30_s(rounds)
    rounds.api.edit(API, annotations={keys[PREWARM]: request, keys[PAUSED]: "yes"})
    rounds.go(3)
    assert rounds.api.writes == []
    assert [reason for reason in rounds.api.reasons() if reason != "DeprecatedAnnotation"] == ["Paused", "Prewarmed"]
    rounds.api.edit(API, annotations={keys[PREWARM]: request})
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas == 7
    rounds.go(60)
    assert rounds.api.hpas[API].min_replicas == 2


def test_an_old_key_is_recorded_once_with_the_new_key(rounds):
    rounds.api.edit(API, annotations={"likewise/paused": "yes"})
    rounds.go(5)
    messages = [message for reason, message in rounds.api.events if reason == "DeprecatedAnnotation"]
    [message] = messages
    assert message == (
        "annotation likewise/paused was renamed to autoscaler.likewise.dev/paused: "
        "the old key still works in this release, set the new one instead"
    )


def test_a_new_key_takes_precedence_over_its_old_one(rounds):
    rounds.api.edit(API, annotations={"likewise/paused": "yes", PAUSED: "false"})
    rounds.demand = 8_000
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas >= 8


def test_new_keys_record_no_deprecation(rounds):
    rounds.api.edit(API, annotations={PAUSED: "yes"})
    rounds.go(2)
    assert "DeprecatedAnnotation" not in rounds.api.reasons()


def test_a_baseline_at_its_old_key_is_kept_and_moved_to_the_new_one():
    rounds = Rounds()
    rounds.api.hpas[API] = replace(rounds.api.hpas[API], min_replicas=9, annotations={"likewise/base": "5"})
    rounds.demand = 10
    rounds.go(80)
    assert rounds.api.hpas[API].min_replicas == 5
    assert rounds.api.hpas[API].annotations[BASELINE] == "5"
    assert not [key for key in rounds.api.hpas[API].annotations if key.startswith("likewise/")]


def test_a_prewarm_that_cannot_be_read_is_recorded_and_not_followed(rounds):
    rounds.api.edit(API, annotations={PREWARM: "7 until tomorrow"})
    rounds.go(3)
    assert rounds.api.writes == []
    assert rounds.api.reasons().count("PrewarmRefused") == 1
