"""Drills as an operations person applies them: each ends well, and the HPA sees the viral post and its end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chart import kustomize
from tests.support.cluster.kubectl import DRILL_IMAGE, IMAGE, PATIENT, Namespace, eventually, namespace

VALUES = {
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "ingress.enabled": False,
    "settings.ack": "replicated",  # by default a primary's death may cost likes of its last milliseconds
    "settings.trusted_proxies[0]": "0.0.0.0/0",  # wherever pods are
    "hpa.maxReplicas": 3,
    **PATIENT,
    "api.resources.requests.cpu": "40m",
    "api.preStopSeconds": 2,
    "hpa.behavior.scaleDown.stabilizationWindowSeconds": 0,  # else five minutes
    "hpa.behavior.scaleDown.selectPolicy": "Max",
}
FINISHED = {"Complete", "Failed"}


@pytest.fixture(scope="module")
def likewise() -> Iterator[Namespace]:
    """An installation whose HPA counts small pods."""
    with namespace("likewise-drills") as where:
        where.install(**VALUES)
        eventually(lambda: where.ready("api") == 2)
        yield where


def start(where: Namespace, drill: str, **profile: str) -> None:
    """`kubectl apply -k` of a drill, with this image and a smaller crowd."""
    where.kubectl("delete", "job", "likewise-drill", "likewise-fault-injector", "--ignore-not-found", "--wait")
    where.apply(*(json.dumps(_adapted(one, profile)) for one in kustomize(f"drills/{drill}")))


def _adapted(one: dict[str, Any], profile: dict[str, str]) -> dict[str, Any]:
    if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "likewise-drill":
        one["data"] |= profile
    if one["kind"] == "Job":
        [container] = one["spec"]["template"]["spec"]["containers"]
        image = DRILL_IMAGE if one["metadata"]["name"] == "likewise-drill" else IMAGE
        container |= {"image": image, "imagePullPolicy": "Never"}
        container["resources"]["requests"]["cpu"] = "20m"
        for entry in container["env"]:
            entry |= {"value": "5"} if entry["name"] == "DELAY_S" else {}
    return one


def outcome(where: Namespace, job: str) -> str:
    """How the Job ended; empty while it runs."""
    conditions = where.get(f"job/{job}")["status"].get("conditions", [])
    return next((one["type"] for one in conditions if one["type"] in FINISHED and one["status"] == "True"), "")


def verdict(where: Namespace) -> str:
    """The drill's log, once it has ended well."""
    eventually(lambda: outcome(where, "likewise-drill"), 180)
    said = where.kubectl("logs", "job/likewise-drill")
    assert outcome(where, "likewise-drill") == "Complete", said
    return said


def wanted(where: Namespace) -> int:
    """How many API pods the HPA asks for."""
    return int(where.get("deployment/likewise-api")["spec"]["replicas"])


def test_the_hpa_sees_a_viral_post_and_its_end(likewise: Namespace) -> None:
    start(likewise, "viral-post", LIKES="18000", IN="45s", PROFILE="flat")
    eventually(lambda: wanted(likewise) > 2)
    assert "one number" in verdict(likewise)
    eventually(lambda: wanted(likewise) == 2, 240)


@pytest.mark.parametrize(
    ("drill", "done"),
    [
        ("rolling-restart", "restarted deployment/likewise-api"),
        ("killed-flusher", "killed likewise-flusher-"),
        ("killed-primary", "killed likewise-redis-"),
    ],
)
def test_something_breaks_and_no_like_is_lost(likewise: Namespace, drill: str, done: str) -> None:
    start(likewise, drill, LIKES="3600", IN="12s")
    said = verdict(likewise)
    assert outcome(likewise, "likewise-fault-injector") == "Complete"
    assert done in likewise.kubectl("logs", "job/likewise-fault-injector")
    assert said.splitlines()[-1].endswith(("one number", "none lost, none doubled"))
    eventually(lambda: likewise.ready("redis") == 6 and likewise.ready("flusher") == 2)
