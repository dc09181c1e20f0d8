"""KWOK's nodes, which pretend to run what is scheduled on them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

from tests.support.cluster.kubectl import run

_BEAT_S = 10.0  # a kubelet's
_LEASES = "kube-node-lease"  # the namespace in which kubelets say that they live


def fake_nodes() -> dict[str, int]:
    """Their names, and for how many pods they have room."""
    nodes = json.loads(run("kubectl", "get", "nodes", "-l", "type=kwok", "-o", "json"))["items"]
    return {node["metadata"]["name"]: int(node["status"]["allocatable"]["pods"]) for node in nodes}


@contextmanager
def beating(nodes: Iterable[str]) -> Iterator[None]:
    """Leases of the nodes that have none, renewed within the block, then removed.

    KWOK without leases is at times so late under load that Kubernetes takes its nodes for dead, and their pods.
    """
    leases = json.loads(run("kubectl", "--namespace", _LEASES, "get", "leases", "-o", "json"))["items"]
    kept = [node for node in nodes if node not in {lease["metadata"]["name"] for lease in leases}]
    ended = Event()
    thread = Thread(target=_renew, args=(kept, ended), name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        run("kubectl", "--namespace", _LEASES, "delete", "lease", "--ignore-not-found", "none", *kept)


def _renew(nodes: Sequence[str], ended: Event) -> None:
    while nodes:
        run("kubectl", "apply", "-f", "-", stdin="\n---\n".join(map(_lease, nodes)))
        if ended.wait(_BEAT_S):
            return


def _lease(node: str) -> str:
    """What a kubelet would write."""
    name = {"name": node, "namespace": _LEASES}
    spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": f"{datetime.now(UTC):%FT%T.%fZ}"}
    return json.dumps({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": name, "spec": spec})
