"""Pods come and go under load, through NGINX: no request fails, and no like is lost.

The sender is the drill, as a pod beside the others: it ends well only if every like was acknowledged, counted once and
stored, and what Redis, Postgres and the API say of each post is the same number. A request on a kept connection that
the proxy ends as it reloads is sent again once, as a browser does; nothing else is.
"""

from collections.abc import Iterator

import pytest

from tests.support.cluster.kubectl import PATIENT, Namespace, eventually, namespace
from tests.support.cluster.load_pod import ingress_address, send

LIKES, PER_SECOND = 100_000, 600
NGINX = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io"
VALUES = {
    "hpa.enabled": False,  # pods are counted by this test
    "replicas": 2,
    "flusher.replicas": 1,
    "redis.replicas": 3,  # primaries only
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    f"{NGINX}/limit-rps": "null",  # the crowd comes from one pod: no limits for it, here and below
    "settings.trusted_proxies[0]": "0.0.0.0/0",  # wherever the ingress controller is
    "settings.unlimited_networks[0]": "0.0.0.0/0",
    **PATIENT,
}


@pytest.fixture(scope="module")
def likewise() -> Iterator[Namespace]:
    """An installation with two API pods, reached through NGINX."""
    with namespace("going") as space:
        space.install(**VALUES)
        eventually(lambda: space.ready("api") == 2)
        yield space


def phase(space: Namespace, pod: str) -> str:
    return str(space.get(f"pod/{pod}")["status"]["phase"])


def settled(space: Namespace, pods: int) -> bool:
    """Whether so many pods are ready and none is on its way out."""
    found = space.get("pods", "-l", "app.kubernetes.io/component=api")["items"]
    return len(found) == space.ready("api") == pods


def come_and_go(space: Namespace) -> None:
    """Every way in which an operations person or a controller replaces pods."""
    deployment = "deployment/likewise-api"
    space.kubectl("rollout", "restart", deployment)
    space.kubectl("rollout", "status", deployment, "--timeout=180s")
    space.kubectl("scale", deployment, "--replicas=10")
    eventually(lambda: space.ready("api") == 10, 180)
    space.kubectl("scale", deployment, "--replicas=2")
    eventually(lambda: settled(space, 2))
    for pod in space.pods("api"):
        space.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        eventually(lambda: settled(space, 2))


def test_pods_come_and_go_without_a_failed_request(likewise: Namespace) -> None:
    load = ["--likes", str(LIKES), "--in", f"{LIKES // PER_SECOND}s", "--posts", "20", "--connections", "32"]
    send(likewise, "likewise", "drill", *load, "--url", f"http://{ingress_address(likewise)}")
    eventually(lambda: "likes:" in likewise.kubectl("logs", "drill"))
    come_and_go(likewise)
    assert phase(likewise, "drill") == "Running", f"too late, or it failed: {likewise.kubectl('logs', 'drill')}"
    eventually(lambda: phase(likewise, "drill") in {"Succeeded", "Failed"}, 300)
    said = likewise.kubectl("logs", "drill")
    assert phase(likewise, "drill") == "Succeeded", said
