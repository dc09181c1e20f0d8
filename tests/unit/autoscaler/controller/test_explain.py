"""The sentences of `explain` and `status`, and the stored decisions that they are made of."""

import json
from dataclasses import asdict, replace

import pytest

from autoscaler.commands import last_decisions
from autoscaler.controller.explain import Explainer
from autoscaler.controller.journal import KEY, Entry, parse
from autoscaler.controller.run_settings import RunSettings
from tests.support.autoscaler.fake_kubernetes import FakeKubernetesApi

ENTRY = Entry(
    at="2026-11-21T12:00:00Z", by="one", deployment="api", replicas=8, current=2, reason="8 pods are needed",
    limit="demand", capacity=1_000.0, candidates={"demand": 8, "prewarm": 0},
    demand={"arrivals": 5_000.0, "viral": 0.0}, action="minReplicas 2 to 8",
)  # fmt: skip


@pytest.mark.parametrize(
    ("deployment", "why"),
    [
        ("api", "requests/s: arrivals 5000; a pod serves 1000; pods: demand 8"),
        ("flusher", "likes/s: arrivals 5000; a flusher stores 1000; flushers: demand 8"),
    ],
)
def test_figures_have_the_unit_of_the_deployment(deployment, why):
    entry = replace(ENTRY, deployment=deployment)
    for text in (Explainer("flusher").explain_change(entry), Explainer("flusher").explain_state(entry)):
        assert text.splitlines()[-1].strip() == why


STATUS = {
    "leader": "one", "deployment": "api", "replicas": 8, "ready": 7, "min_replicas": 8, "max_replicas": 30,
    "paused": False, "prewarm": None, "last": [], "unreadable": None,
}  # fmt: skip


def test_the_status_also_says_what_could_not_be_read():
    text = Explainer("flusher").explain_status(STATUS | {"unreadable": "the stored decisions cannot be read: x"})
    assert text.splitlines() == [
        "leader: one",
        "Deployment api: 8 desired, 7 ready, HPA from 8 to 30",
        "the stored decisions cannot be read: x",
    ]


def test_unknown_decisions_of_another_release_do_not_stop_the_status():
    api = FakeKubernetesApi()
    assert last_decisions(api, RunSettings()) == {"last": [], "unreadable": None}
    api.config_map[KEY] = json.dumps({"changes": [], "last": [{"of": "another release"}]})
    found = last_decisions(api, RunSettings())
    assert found["last"] == []
    assert found["unreadable"].startswith("the stored decisions cannot be read: ")


def test_decisions_of_the_release_before_this_one_are_read():
    old = asdict(ENTRY)
    old["done"], old["held_back"] = old.pop("action"), old.pop("suppressed_by")
    assert parse(json.dumps({"changes": [old], "last": []}))[0] == [ENTRY]
