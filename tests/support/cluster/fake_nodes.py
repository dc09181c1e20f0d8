"""Keep the fake nodes of KWOK alive, which do not run the pods that are scheduled on them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

from tests.support.cluster.kubectl import run

# The period of a kubelet.
_HEARTBEAT_S = 10.0
# The namespace of the kubelets' leases.
_NAMESPACE = "kube-node-lease"


def fake_nodes() -> dict[str, int]:
    """Return the names of fake nodes, and the number of pods that each can hold."""
    nodes = json.loads(run("kubectl", "get", "nodes", "-l", "type=kwok", "-o", "json"))["items"]
    return {node["metadata"]["name"]: int(node["status"]["allocatable"]["pods"]) for node in nodes}


@contextmanager
def heartbeats(nodes: Iterable[str]) -> Iterator[None]:
    """Renew the leases of nodes that have none, and delete them at the end.

    Without leases, KWOK updates nodes so late under load that Kubernetes marks them as not ready.
    """
    leases = json.loads(run("kubectl", "--namespace", _NAMESPACE, "get", "leases", "-o", "json"))["items"]
    kept = [node for node in nodes if node not in {lease["metadata"]["name"] for lease in leases}]
    stopped = Event()
    thread = Thread(target=_renew, args=(kept, stopped), name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        run("kubectl", "--namespace", _NAMESPACE, "delete", "lease", "--ignore-not-found", "none", *kept)


def _renew(nodes: Sequence[str], stopped: Event) -> None:
    while nodes:
        run("kubectl", "apply", "-f", "-", stdin="\n---\n".join(map(_lease, nodes)))
        if stopped.wait(_HEARTBEAT_S):
            return


def _lease(node: str) -> str:
    """Return a lease like a kubelet's, as JSON."""
    name = {"name": node, "namespace": _NAMESPACE}
    spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": f"{datetime.now(UTC):%FT%T.%fZ}"}
    return json.dumps({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": name, "spec": spec})
