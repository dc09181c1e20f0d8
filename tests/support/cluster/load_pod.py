"""Run the load generator as a pod with the environment of the API pods."""

import json
import os

from tests.support.cluster.kubectl import DRILL_IMAGE, Namespace, eventually

_COPIED = ("imagePullPolicy", "env", "envFrom", "securityContext")
_LIKE = "import urllib.request as u; u.urlopen(u.Request('http://likewise/v1/posts/first/like', method='PUT'))"


def start_drill(space: Namespace, *command: str, cpu: str = "20m") -> None:
    """Start the pod `drill` with a command, once the installation accepts likes."""
    eventually(lambda: space.execute("deployment/likewise-api", "python", "-c", _LIKE) == "")
    api = space.get("deployment/likewise-api")["spec"]["template"]["spec"]
    container = {name: api["containers"][0][name] for name in _COPIED} | {
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
    """Return the ingress controller's address in the cluster: INGRESS_ADDRESS, or the address of a real node."""
    addresses = space.get("nodes", "-l", "type!=kwok")["items"][0]["status"]["addresses"]
    return os.environ.get("INGRESS_ADDRESS") or next(one["address"] for one in addresses if one["type"] == "InternalIP")
