"""The drill as a pod: it knows what the API's pods know, and sends through the ingress controller."""

import json
import os

from tests.support.cluster.kubectl import DRILL_IMAGE, Namespace, eventually

_KNOWN = ("imagePullPolicy", "env", "envFrom", "securityContext")
_LIKE = "import urllib.request as u; u.urlopen(u.Request('http://likewise/v1/posts/first/like', method='PUT'))"


def send(space: Namespace, *command: str, cpu: str = "20m") -> None:
    """Start the pod `drill` with a command, once likes are taken: a new installation has begun its shards by then."""
    eventually(lambda: space.execute("deployment/likewise-api", "python", "-c", _LIKE) == "")
    api = space.get("deployment/likewise-api")["spec"]["template"]["spec"]
    container = {name: api["containers"][0][name] for name in _KNOWN} | {
        "name": "drill",
        "image": DRILL_IMAGE,
        "command": command,
        "resources": {"requests": {"cpu": cpu}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": api["securityContext"],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [container],
    }
    metadata = {"name": "drill", "labels": {"app.kubernetes.io/name": "drill"}}
    space.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))


def ingress_address(space: Namespace) -> str:
    """Where the ingress controller answers inside the cluster: INGRESS_ADDRESS, or port 80 of a real node."""
    addresses = space.get("nodes", "-l", "type!=kwok")["items"][0]["status"]["addresses"]
    return os.environ.get("INGRESS_ADDRESS") or next(one["address"] for one in addresses if one["type"] == "InternalIP")
