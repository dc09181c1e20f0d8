"""Test that no request fails and no like is lost while pods start and stop under load, behind NGINX.

The drill runs as a pod. Its verdict is good only if every like was acknowledged, counted once and stored. If NGINX
closes a kept-alive connection during a reload, the drill sends the request again once, as a browser does.
"""

from collections.abc import Iterator

import pytest

from tests.support.cluster.kubectl import LONG_TIMEOUTS, Namespace, eventually, namespace
from tests.support.cluster.load_pod import ingress_address, start_drill

LIKES, PER_SECOND = 100_000, 600
NGINX = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io"
VALUES = {
    # The test sets the number of pods.
    "hpa.enabled": False,
    "replicas": 2,
    "flusher.replicas": 1,
    # Primaries only.
    "redis.replicas": 3,
    "redis.persistence.enabled": False,
    "postgres.persistence.enabled": False,
    # All requests come from one pod, so it has no limits.
    f"{NGINX}/limit-rps": "null",
    # The ingress controller may have any address.
    "settings.trusted_proxies[0]": "0.0.0.0/0",
    "settings.unlimited_networks[0]": "0.0.0.0/0",
    **LONG_TIMEOUTS,
}


@pytest.fixture(scope="module")
def installation() -> Iterator[Namespace]:
    """Yield an installation with two API pods behind NGINX."""
    with namespace("going") as space:
        space.install(**VALUES)
        eventually(lambda: space.ready("api") == 2)
        yield space


def phase(space: Namespace, pod: str) -> str:
    return str(space.get(f"pod/{pod}")["status"]["phase"])


def is_stable(space: Namespace, pods: int) -> bool:
    """Tell whether that many pods are ready and none is terminating."""
    found = space.get("pods", "-l", "app.kubernetes.io/component=api")["items"]
    return len(found) == space.ready("api") == pods


def replace_pods(space: Namespace) -> None:
    """Replace pods in every way in which operators and controllers do."""
    deployment = "deployment/likewise-api"
    space.kubectl("rollout", "restart", deployment)
    space.kubectl("rollout", "status", deployment, "--timeout=180s")
    space.kubectl("scale", deployment, "--replicas=10")
    eventually(lambda: space.ready("api") == 10, 180)
    space.kubectl("scale", deployment, "--replicas=2")
    eventually(lambda: is_stable(space, 2))
    for pod in space.pods("api"):
        space.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        eventually(lambda: is_stable(space, 2))


def test_pods_are_replaced_without_a_failed_request(installation: Namespace) -> None:
    options = ["--likes", str(LIKES), "--in", f"{LIKES // PER_SECOND}s", "--posts", "20", "--connections", "32"]
    start_drill(installation, "likewise", "drill", *options, "--url", f"http://{ingress_address(installation)}")
    eventually(lambda: "likes:" in installation.kubectl("logs", "drill"))
    replace_pods(installation)
    assert phase(installation, "drill") == "Running", (
        f"the drill ended too early: {installation.kubectl('logs', 'drill')}"
    )
    eventually(lambda: phase(installation, "drill") in {"Succeeded", "Failed"}, 300)
    log = installation.kubectl("logs", "drill")
    assert phase(installation, "drill") == "Succeeded", log
