"""Run the migrations of the phase `post` once the last pod of the previous release is gone.

Exit at once if no such migration is pending.
"""

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

# Holds token, ca.crt and namespace.
ACCOUNT = Path(os.environ["ACCOUNT"])
DEPLOYMENTS = os.environ["DEPLOYMENTS"].split()
# The label selector of the Deployments' pods.
SELECTOR = os.environ["SELECTOR"]
MIGRATE = ["likewise", "migrate", "--phase", "post"]
POLL_INTERVAL_S = 1


def get_from_api_server(path):
    """Return the JSON that the API server answers.

    Raise OSError if it does not answer. Exit if it refuses the request.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}{path}"
    tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    # The certificate authorities of many clusters lack extensions that strict verification requires.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    token = (ACCOUNT / "token").read_text()
    try:
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=10, context=tls) as response:
            return json.load(response)
    except HTTPError as error:
        if error.code in (401, 403, 404):
            sys.exit(f"Error: can't see whether old pods are gone: {json.load(error)['message']}")
        raise


def describe_rollout(deployment):
    """Return why the rollout of a Deployment is not complete, or an empty string if it is."""
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    new, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    if observed and new == total == available == wanted:
        return ""
    name = deployment["metadata"]["name"]
    return f"{name} has {new} of {wanted} new pods and {total - new} old pods; {available} pods are available"


def describe_old_pods():
    """Return what keeps old pods alive, or an empty string if all are gone."""
    try:
        namespace = (ACCOUNT / "namespace").read_text()
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        deployments = [get_from_api_server(f"{path}/{name}") for name in DEPLOYMENTS]
        pods = get_from_api_server(f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(SELECTOR)}")["items"]
    except OSError as error:
        return f"the API server does not answer ({error})"
    ending = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    terminating = ending and f"terminating: {', '.join(sorted(ending))}"
    return "; ".join(filter(None, [*map(describe_rollout, deployments), terminating]))


def list_pending():
    """Return the pending migrations as text, one per line. Exit if they can't be listed."""
    listed = subprocess.run([*MIGRATE, "--list"], capture_output=True, text=True)
    if listed.returncode:
        sys.exit(listed.stderr.strip())
    return listed.stdout.strip()


def wait_for_old_pods():
    """Wait until all old pods are gone. Print each change of what is waited for."""
    printed = None
    while reason := describe_old_pods():
        if reason != printed:
            print(f"waiting: {reason}", flush=True)
        printed = reason
        time.sleep(POLL_INTERVAL_S)


if list_pending():
    wait_for_old_pods()
    os.execvp(MIGRATE[0], MIGRATE)
print("no migration of the phase post is pending")
