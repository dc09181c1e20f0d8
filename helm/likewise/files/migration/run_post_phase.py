"""Runs the migrations of the phase `post` once the last old pod is gone; where none is left to do, without waiting."""

import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

ACCOUNT = Path(os.environ["ACCOUNT"])  # token, ca.crt and namespace
DEPLOYMENTS = os.environ["DEPLOYMENTS"].split()
SELECTOR = os.environ["SELECTOR"]  # their pods
MIGRATE = ["likewise", "migrate", "--phase", "post"]
EVERY_S = 1


def kubernetes(path):
    """What the API server answers. Raises OSError where it does not answer; a refusal ends the program."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}{path}"
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT  # many clusters' authorities lack extensions that it wants
    token = (ACCOUNT / "token").read_text()
    try:
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=10, context=trusted) as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code in (401, 403, 404):
            sys.exit(f"Error: can't see whether old pods are gone: {json.load(error)['message']}")
        raise


def unfinished(deployment):
    """Why a Deployment's new pods have not all taken over; empty where they have."""
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    new, every = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    if seen and new == every == available == wanted:
        return ""
    name = deployment["metadata"]["name"]
    return f"{name} has {new} new pods of {wanted} and {every - new} old ones, {available} of them all available"


def waited_for():
    """What the last old pod's end still needs, in words."""
    try:
        space = (ACCOUNT / "namespace").read_text()
        deployments = [kubernetes(f"/apis/apps/v1/namespaces/{space}/deployments/{name}") for name in DEPLOYMENTS]
        pods = kubernetes(f"/api/v1/namespaces/{space}/pods?labelSelector={quote(SELECTOR)}")["items"]
    except OSError as error:
        return f"the API server to answer ({error})"
    ending = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    return "; ".join(filter(None, [*map(unfinished, deployments), ending and f"ending: {', '.join(sorted(ending))}"]))


def left_to_do():
    listed = subprocess.run([*MIGRATE, "--list"], capture_output=True, text=True)
    if listed.returncode:
        sys.exit(listed.stderr.strip())
    return listed.stdout.strip()


def wait():
    said = None
    while what := waited_for():
        if what != said:
            print(f"waiting: {what}", flush=True)
        said = what
        time.sleep(EVERY_S)


if left_to_do():
    wait()
    os.execvp(MIGRATE[0], MIGRATE)
print("nothing is left to do after the last old pod")
