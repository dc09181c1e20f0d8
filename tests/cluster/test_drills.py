"""Tests of k8s/drills: each drill has a good verdict, and the HPA follows a viral post."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster.kubectl import DRILL_IMAGE, IMAGE, LONG_TIMEOUTS, Namespace, eventually, namespace
from tests.support.kubernetes.chart import kustomize

VALUES = {
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    "ingress.enabled": False,
    # With the default, the crash of a primary may lose the likes of its last milliseconds.
    "settings.ack": "replicated",
    # Pods may have any address.
    "settings.trusted_proxies[0]": "0.0.0.0/0",
    "hpa.maxReplicas": 3,
    **LONG_TIMEOUTS,
    "api.resources.requests.cpu": "40m",
    "api.preStopSeconds": 2,
    # The default is five minutes.
    "hpa.behavior.scaleDown.stabilizationWindowSeconds": 0,
    "hpa.behavior.scaleDown.selectPolicy": "Max",
}
DRILL, FAULT_INJECTOR = "likewise-drill", "likewise-fault-injector"
FINISHED = {"Complete", "Failed"}


@pytest.fixture(scope="module")
def installation() -> Iterator[Namespace]:
    """Yield an installation with small CPU requests, so that the HPA scales under a small load."""
    with namespace("likewise-drills") as space:
        space.install(**VALUES)
        eventually(lambda: space.ready("api") == 2)
        yield space


def start(space: Namespace, drill: str, **options: str) -> None:
    """Apply a drill with the images of the test and other options.

    The fault injector starts once likes are sent. On a busy machine it could otherwise be faster than the load
    generator.
    """
    space.kubectl("delete", "job", DRILL, FAULT_INJECTOR, "--ignore-not-found", "--wait")
    objects = [_adapt(one, options) for one in kustomize(f"drills/{drill}")]
    fault_injector = [one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Job", FAULT_INJECTOR)]
    space.apply(*(json.dumps(one) for one in objects if one not in fault_injector))
    if fault_injector:
        eventually(lambda: "Sending" in space.kubectl("logs", f"job/{DRILL}"))
        space.apply(*map(json.dumps, fault_injector))


def _adapt(one: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
    if one["kind"] == "ConfigMap" and one["metadata"]["name"] == DRILL:
        one["data"] |= options
    if one["kind"] == "Job":
        [container] = one["spec"]["template"]["spec"]["containers"]
        image = DRILL_IMAGE if one["metadata"]["name"] == DRILL else IMAGE
        container |= {"image": image, "imagePullPolicy": "Never"}
        container["resources"]["requests"]["cpu"] = "20m"
        for entry in container["env"]:
            entry |= {"value": "2"} if entry["name"] == "DELAY_S" else {}
    return one


def end_of_job(space: Namespace, job: str) -> str:
    """Return the condition with which the Job ended, or an empty text while it runs."""
    conditions = space.get(f"job/{job}")["status"].get("conditions", [])
    return next((one["type"] for one in conditions if one["type"] in FINISHED and one["status"] == "True"), "")


def log_of_good_drill(space: Namespace) -> str:
    """Wait for the end of the drill and return its log. Fail if its verdict is bad."""
    eventually(lambda: end_of_job(space, DRILL), 180)
    log = space.kubectl("logs", f"job/{DRILL}")
    assert end_of_job(space, DRILL) == "Complete", log
    return log


def requested_replicas(space: Namespace) -> int:
    """Return the number of API pods that the HPA requests."""
    return int(space.get("deployment/likewise-api")["spec"]["replicas"])


def test_the_hpa_follows_a_viral_post(installation: Namespace) -> None:
    start(installation, "viral-post", LIKES="18000", IN="45s", PROFILE="flat")
    eventually(lambda: requested_replicas(installation) > 2)
    assert "all counts agree" in log_of_good_drill(installation)
    eventually(lambda: requested_replicas(installation) == 2, 240)


@pytest.mark.parametrize(
    ("drill", "fault"),
    [
        ("rolling-restart", "restarted deployment/likewise-api"),
        ("killed-flusher", "killed likewise-flusher-"),
        ("killed-primary", "killed likewise-redis-"),
    ],
)
def test_no_like_is_lost_after_a_fault(installation: Namespace, drill: str, fault: str) -> None:
    start(installation, drill, LIKES="3600", IN="12s")
    log = log_of_good_drill(installation)
    assert end_of_job(installation, FAULT_INJECTOR) == "Complete"
    assert fault in installation.kubectl("logs", f"job/{FAULT_INJECTOR}")
    assert log.splitlines()[-1].endswith(("all counts agree", "no like lost or duplicated"))
    eventually(lambda: installation.ready("redis") == 6 and installation.ready("flusher") == 2)
