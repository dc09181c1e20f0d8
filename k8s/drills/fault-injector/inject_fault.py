"""Inject one fault into an installation after a delay, and print what was done.

Usage: `inject_fault.py restart|flusher|primary`
"""

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


def call_api_server(method: str, path: str, body: object = None, content_type: str = "application/json") -> dict:
    """Return the JSON that the API server answers."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": content_type}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10, context=_tls()) as response:
        return json.load(response)


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    # The certificate authorities of many clusters lack an extension that strict verification requires.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def kill(pod: dict) -> str:
    """Delete a pod without a grace period, like the failure of a machine."""
    name = pod["metadata"]["name"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    call_api_server("DELETE", f"{PODS}/{name}", options)
    return f"killed {name} ({pod['status']['podIP']})"


def running_pods(component: str) -> list[dict]:
    """Return the running pods of a component."""
    selector = f"app.kubernetes.io/instance=likewise,app.kubernetes.io/component={component}"
    pods = call_api_server("GET", f"{PODS}?labelSelector={selector}")["items"]
    return [pod for pod in pods if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]


def restart_api() -> str:
    """Start a rolling restart of the API pods, like `kubectl rollout restart`."""
    annotations = {"likewise.example/restarted-at": datetime.now(UTC).isoformat()}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/likewise-api"
    call_api_server("PATCH", path, body, "application/strategic-merge-patch+json")
    return "restarted deployment/likewise-api"


def kill_flusher() -> str:
    """Kill one flusher."""
    return kill(running_pods("flusher")[0])


def kill_primary() -> str:
    """Kill the Redis node that serves slot 0."""
    url = os.environ["LIKEWISE_REDIS_URLS"].split(",")[0]
    client = redis.Redis.from_url(url, password=os.environ["LIKEWISE_REDIS_PASSWORD"])
    primaries = {node.rpartition(":")[0] for node, state in client.cluster("nodes").items() if _serves(state, slot=0)}
    return kill(next(pod for pod in running_pods("redis") if pod["status"]["podIP"] in primaries))


def _serves(state: dict, slot: int) -> bool:
    return any(int(slots[0]) <= slot <= int(slots[-1]) for slots in state["slots"])


FAULTS = {"restart": restart_api, "flusher": kill_flusher, "primary": kill_primary}


def main() -> None:
    """Wait, then inject the fault."""
    delay_s = float(os.environ["DELAY_S"])
    fault = sys.argv[1]
    print(f"{fault} in {delay_s:g} s", flush=True)
    time.sleep(delay_s)
    print(FAULTS[fault](), flush=True)


if __name__ == "__main__":
    main()
