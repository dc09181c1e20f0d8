"""A Deployment and its HPA on a real API server, and autoscalers as subprocesses with the permissions of the chart.

The pods are never scheduled, so they use no resources. Their load reports are fake.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.cluster.kubectl import Namespace, run
from tests.support.kubernetes.chart import find_object, render
from tests.support.stack.servers import Servers

NAME = "likewise-api"
LEASE = "likewise-autoscaler"
ACCOUNT = "likewise-autoscaler"
# With these settings a spike and its end take seconds.
FAST_SETTINGS = {
    "MIN_REPLICAS": "2", "MAX_REPLICAS": "40", "POD_CAPACITY": "1000", "STABILIZATION_S": "2",
    "SCALE_DOWN_PERIOD_S": "1", "RESTART_STABILIZATION_S": "0", "LEASE_S": "5", "RENEW_S": "0.5",
    "REQUEST_S": "1.5", "BACKOFF_S": "4", "METRICS_PORT": "0", "FLUSHERS": "",
}  # fmt: skip


def deployment(name: str = NAME) -> str:
    """Return a Deployment as JSON. Its pods need a node that does not exist."""
    labels = {"app": name}
    container = {
        "name": "pod", "image": "none", "resources": {"requests": {"cpu": "1m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    pod = {
        "nodeSelector": {"likewise-test": "nowhere"}, "containers": [container], "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    }  # fmt: skip
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})


def hpa(max_replicas: int = 30) -> str:
    """Return the chart's HPA as JSON. It has no minReplicas, because the autoscaler sets it."""
    objects = find_object(render(**{"hpa.maxReplicas": max_replicas}), "HorizontalPodAutoscaler", NAME)
    return json.dumps(objects)


def rbac_objects(namespace: str = "scaling") -> list[str]:
    """Return the chart's account, Role, RoleBinding, ConfigMap and Lease of the autoscaler as JSON."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Lease")
    found = [one for one in render() if one["kind"] in kinds and one["metadata"]["name"] == ACCOUNT]
    for one in found:
        for subject in one.get("subjects", []):
            subject["namespace"] = namespace
    return [json.dumps(one) for one in found]


@dataclass
class AutoscalerProcess:
    """A running autoscaler."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def pause(self) -> None:
        """Stop the process, like a node that stalls."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the stopped process."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal_number)
        return self.process.wait(timeout=20)

    def log_text(self) -> str:
        """Return its log."""
        return self.log.read_text()


@dataclass
class AutoscalerTestbed:
    """A namespace with a Deployment and an HPA, and the autoscalers that scale it."""

    space: Namespace
    servers: Servers
    root: Path
    kubeconfig: Path
    autoscalers: list[AutoscalerProcess] = field(default_factory=list)

    def environment(self, **settings: str) -> Mapping[str, str]:
        """Return the environment of an autoscaler."""
        merged = {"NAMESPACE": self.space.name, **FAST_SETTINGS, **settings}
        variables = {f"LIKEWISE_AUTOSCALER_{name}": value for name, value in merged.items()}
        addresses = {
            "KUBECONFIG": str(self.kubeconfig),
            "LIKEWISE_REDIS_URLS": ",".join(self.servers.settings.redis_urls),
        }
        return {**os.environ, **variables, **addresses}

    def start(self, name: str = "one", **settings: str) -> AutoscalerProcess:
        """Start another autoscaler. The test's fixture ends it."""
        log = self.root / f"{name}-{len(self.autoscalers)}.log"
        command = [sys.executable, "-m", "autoscaler", "run"]
        env = {**self.environment(**settings), "HOSTNAME": name}
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        autoscaler = AutoscalerProcess(name, process, log)
        self.autoscalers.append(autoscaler)
        return autoscaler

    def run_command(self, *command: str, code: int = 0, admin: bool = False, **settings: str) -> str:
        """Return the output of a command of the autoscaler.

        `admin`: use the permissions of the tests instead of the account's.
        """
        env = dict(self.environment(**settings))
        if admin:
            env["KUBECONFIG"] = os.environ["KUBECONFIG"]
        done = subprocess.run(
            [sys.executable, "-m", "autoscaler", *command], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def min_replicas(self) -> int:
        """Return the HPA's minReplicas."""
        return int(self.hpa()["spec"]["minReplicas"])

    def replicas(self) -> int:
        """Return the Deployment's requested replicas."""
        return int(self.space.get("deployment", NAME)["spec"]["replicas"])

    def hpa(self) -> Any:
        return self.space.get("hpa", NAME, "--show-managed-fields")

    def leader(self) -> str:
        """Return the name of the leader, or an empty text."""
        lease = self.space.get("lease", LEASE)["spec"]
        return str(lease.get("holderIdentity", "")).partition("_")[0]

    def events(self, reason: str) -> list[str]:
        """Return the messages of events with a reason, oldest first."""
        found = self.space.get("events", "--field-selector", f"reason={reason}")["items"]
        return [one["message"] for one in sorted(found, key=lambda one: one["lastTimestamp"])]

    def annotate(self, *annotations: str) -> None:
        """Annotate the Deployment, as an operator does."""
        self.space.kubectl("annotate", "deployment", NAME, "--overwrite", *annotations)

    def set_min_replicas(self, min_replicas: int) -> None:
        """Set the HPA's minReplicas, as an operator does."""
        patch = json.dumps({"spec": {"minReplicas": min_replicas}})
        self.space.kubectl("patch", "hpa", NAME, "--type=merge", "--field-manager=somebody", "-p", patch)

    def assert_holds(self, holds: Callable[[], bool], for_s: float) -> None:
        """Fail unless the condition holds for a while."""
        until = datetime.now(UTC) + timedelta(seconds=for_s)
        while datetime.now(UTC) < until:
            assert holds()

    def reset(self) -> None:
        """End all autoscalers, and restore the objects of a new installation."""
        for autoscaler in self.autoscalers:
            autoscaler.end(signal.SIGKILL)
        self.autoscalers.clear()
        objects = (f"deployment/{NAME}", f"hpa/{NAME}", f"lease/{LEASE}", f"configmap/{ACCOUNT}")
        self.space.kubectl("delete", "--ignore-not-found", "--wait", "--timeout=60s", *objects)
        self.space.kubectl("delete", "events", "--all", "--wait=false")
        self.space.apply(deployment(), hpa(), *rbac_objects())


@contextmanager
def kubeconfig_of_account(space: Namespace, root: Path) -> Iterator[Path]:
    """Yield a kubeconfig with a token of the chart's account."""
    token = space.kubectl("create", "token", ACCOUNT, "--duration=1h").strip()
    config = json.loads(run("kubectl", "config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": "autoscaler", "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = "autoscaler"
    file = root / "kubeconfig"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    yield file
    file.unlink()
