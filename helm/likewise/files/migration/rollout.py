"""Waits until the last old pod is gone; at once where no migration of the phase `post` is left to do."""

import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

ACCOUNT = Path(os.environ["ACCOUNT"])
SELECTOR = os.environ["SELECTOR"]
DEPLOYMENTS = os.environ["DEPLOYMENTS"].split()
EVERY_S = 2


def get(path):
    namespace = (ACCOUNT / "namespace").read_text()
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    url = f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}{path.format(namespace=namespace)}"
    token = (ACCOUNT / "token").read_text()
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=10, context=trusted) as answer:
        return json.load(answer)


def unfinished(name):
    deployment = get(f"/apis/apps/v1/namespaces/{{namespace}}/deployments/{name}")
    wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    new, every = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if seen and new >= wanted and every == new and status.get("availableReplicas", 0) >= wanted:
        return ""
    return f"{name}: {new} of {wanted} pods are new, {status.get('availableReplicas', 0)} ready, {every - new} old"


def reasons():
    found = [reason for reason in map(unfinished, DEPLOYMENTS) if reason]
    pods = get(f"/api/v1/namespaces/{{namespace}}/pods?labelSelector={quote(SELECTOR)}")["items"]
    ending = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    return found + [f"{name} is ending" for name in ending]


def left():
    listed = subprocess.run(["likewise", "migrate", "--phase", "post", "--list"], capture_output=True, text=True)
    if listed.returncode:
        sys.exit(listed.stderr.strip())
    return listed.stdout.split("\n")[:-1]


def main():
    if not left():
        return print("no migration waits for the last old pod")
    said = None
    while waiting := "; ".join(reasons()):
        if waiting != said:
            print(f"waiting for the last old pod: {waiting}", flush=True)
        said = waiting
        time.sleep(EVERY_S)
    print("no old pod is left")


main()
