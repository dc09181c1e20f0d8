"""What `explain` and `status` print of a decision."""

import json
from dataclasses import replace

import pytest

from autoscaler.commands import last_words
from autoscaler.controller.explain import Wording
from autoscaler.controller.journal import KEY, Entry
from autoscaler.controller.run_settings import RunSettings
from tests.support.fake_kubernetes import FakeApi

ENTRY = Entry(
    at="2026-11-21T12:00:00Z", by="one", deployment="api", replicas=8, current=2, reason="8 pods are needed",
    limit="demand", capacity=1_000.0, candidates={"demand": 8, "prewarm": 0},
    demand={"arrivals": 5_000.0, "viral": 0.0}, done="floor 2 to 8",
)  # fmt: skip


@pytest.mark.parametrize(
    ("deployment", "why"),
    [
        ("api", "requests/s: arrivals 5000; a pod serves 1000; pods: demand 8"),
        ("flusher", "likes/s: arrivals 5000; a flusher stores 1000; flushers: demand 8"),
    ],
)
def test_figures_have_the_unit_of_what_is_scaled(deployment, why):
    entry = replace(ENTRY, deployment=deployment)
    for told in (Wording("flusher").change(entry), Wording("flusher").stand(entry)):
        assert told.splitlines()[-1].strip() == why


STANDING = {
    "leader": "one", "deployment": "api", "replicas": 8, "ready": 7, "floor": 8, "ceiling": 30, "paused": False,
    "prewarm": None, "last": [], "unreadable": None,
}  # fmt: skip


def test_the_status_says_what_it_could_not_read_beside_all_else():
    said = Wording("flusher").status(STANDING | {"unreadable": "the decisions that were kept can't be read: x"})
    assert said.splitlines() == [
        "leader: one",
        "Deployment api: 8 asked for, 7 ready, HPA from 8 to 30",
        "the decisions that were kept can't be read: x",
    ]


def test_decisions_of_another_release_are_said_to_be_and_stop_no_status():
    api = FakeApi()
    assert last_words(api, RunSettings()) == {"last": [], "unreadable": None}
    api.data[KEY] = json.dumps({"changes": [], "last": [{"of": "another release"}]})
    said = last_words(api, RunSettings())
    assert said["last"] == []
    assert said["unreadable"].startswith("the decisions that were kept can't be read: ")
