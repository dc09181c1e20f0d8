"""Does one harm to an installation, after a while, and says what: `break.py restart|flusher|primary`."""

import json
import os
import ssl
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import redis

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAMESPACE = os.environ["NAMESPACE"]
API = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def ask(method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
    """What the API server answers."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10, context=_trust()) as said:
        return json.load(said)


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # many clusters' own authorities lack the extension it asks for
    return context


def kill(pod: dict) -> str:
    """Delete a pod without any grace, as a server's death does."""
    name = pod["metadata"]["name"]
    ask("DELETE", f"{PODS}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    return f"killed {name} ({pod['status']['podIP']})"


def pods(component: str) -> list[dict]:
    """The running pods of a component."""
    found = ask(
        "GET", f"{PODS}?labelSelector=app.kubernetes.io/instance=likewise,app.kubernetes.io/component={component}"
    )["items"]
    return [pod for pod in found if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]


def restart() -> str:
    """Replace every API pod, in turns, as `kubectl rollout restart` does."""
    now = {"likewise.example/restarted-at": datetime.now(UTC).isoformat()}
    body = {"spec": {"template": {"metadata": {"annotations": now}}}}
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/likewise-api"
    ask("PATCH", path, body, "application/strategic-merge-patch+json")
    return "restarted deployment/likewise-api"


def flusher() -> str:
    """Kill a flusher."""
    return kill(pods("flusher")[0])


def primary() -> str:
    """Kill the Redis node that serves slot 0."""
    url = os.environ["LIKEWISE_REDIS_URLS"].split(",")[0]
    client = redis.Redis.from_url(url, password=os.environ["LIKEWISE_REDIS_PASSWORD"])
    primaries = {node.rpartition(":")[0] for node, told in client.cluster("nodes").items() if _serves(told, slot=0)}
    return kill(next(pod for pod in pods("redis") if pod["status"]["podIP"] in primaries))


def _serves(told: dict, slot: int) -> bool:
    return any(int(held[0]) <= slot <= int(held[-1]) for held in told["slots"])


def main() -> None:
    """Wait, then do it."""
    after_s = float(os.environ["AFTER_S"])
    print(f"{sys.argv[1]} in {after_s:g} s", flush=True)
    time.sleep(after_s)
    print({"restart": restart, "flusher": flusher, "primary": primary}[sys.argv[1]](), flush=True)


if __name__ == "__main__":
    main()
