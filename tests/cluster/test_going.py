"""Pods come and go under load, through NGINX: no request fails, and no like is lost.

The sender is the drill, as a pod beside the others: it ends well only if every like was acknowledged, counted once and
stored, and what Redis, Postgres and the API say of each post is the same number. A request on a kept connection that
the proxy ends as it reloads is sent again once, as a browser does; nothing else is.
"""

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubernetes import Namespace, eventually, namespace

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
    # Eight pods that start at once on a small node take its cores for some seconds: late is not lost.
    "settings.redis_deadline_ms": 15_000,
    "settings.redis_timeout_ms": 5_000,
    "settings.postgres_timeout_ms": 5_000,
}


@pytest.fixture(scope="module")
def likewise() -> Iterator[Namespace]:
    """An installation with two API pods, reached through NGINX."""
    with namespace("going") as space:
        space.install(**VALUES)
        eventually(lambda: space.ready("api") == 2)
        yield space


def drill(space: Namespace) -> dict[str, Any]:
    """The drill's pod: what the API's pods know, it needs to know too."""
    api = space.get("deployment/likewise-api")["spec"]["template"]["spec"]
    container = api["containers"][0]
    likes = ["--likes", str(LIKES), "--in", f"{LIKES // PER_SECOND}s", "--posts", "20", "--connections", "32"]
    container = {
        name: container[name] for name in ("image", "imagePullPolicy", "env", "envFrom", "securityContext")
    } | {
        "name": "drill",
        "command": ["likewise", "drill", *likes, "--url", f"http://{ingress_address(space)}"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "drill", "labels": {"app.kubernetes.io/name": "drill"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": api["securityContext"],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [container],
        },
    }


def ingress_address(space: Namespace) -> str:
    """Where the ingress controller answers inside the cluster: INGRESS_ADDRESS, or port 80 of a node."""
    node = space.get("nodes")["items"][0]["status"]["addresses"]
    return os.environ.get("INGRESS_ADDRESS") or next(one["address"] for one in node if one["type"] == "InternalIP")


def takes_likes(url: str) -> bool:
    """Whether a like is taken at once: a new installation has begun its shards by then."""
    wish = urllib.request.Request(f"{url}/v1/posts/warm-up/like", method="PUT")
    with urllib.request.urlopen(wish, timeout=10) as answer:
        return answer.status in {200, 201}


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


def test_pods_come_and_go_without_a_failed_request(likewise: Namespace, ingress_url: str) -> None:
    eventually(lambda: takes_likes(ingress_url))
    likewise.apply(json.dumps(drill(likewise)))
    eventually(lambda: "likes:" in likewise.kubectl("logs", "drill"))
    come_and_go(likewise)
    assert phase(likewise, "drill") == "Running", f"too late, or it failed: {likewise.kubectl('logs', 'drill')}"
    eventually(lambda: phase(likewise, "drill") in {"Succeeded", "Failed"}, 300)
    said = likewise.kubectl("logs", "drill")
    assert phase(likewise, "drill") == "Succeeded", said
