"""A Deployment and its HPA on a real API server, and autoscalers as processes of the test, by the chart's own rights.

The pods are never scheduled and cost nothing: what they would tell is told for them.
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

from tests.support.chart import find_object, render
from tests.support.cluster.kubectl import Namespace, run
from tests.support.servers import Servers

NAME = "likewise-api"
LEASE = "likewise-autoscaler"
ACCOUNT = "likewise-autoscaler"
QUICK = {  # a spike and its end within some seconds
    "MIN_REPLICAS": "2", "MAX_REPLICAS": "40", "POD_CAPACITY": "1000", "STABILIZATION_S": "2",
    "SCALE_DOWN_PERIOD_S": "1", "RESTART_STABILIZATION_S": "0", "LEASE_S": "5", "RENEW_S": "0.5",
    "REQUEST_S": "1.5", "YIELD_S": "4", "METRICS_PORT": "0", "FLUSHERS": "",
}  # fmt: skip


def deployment(name: str = NAME) -> str:
    """One that asks for a node which isn't there."""
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


def hpa(most: int = 30) -> str:
    """As the chart makes it with the autoscaler: without a floor."""
    made = find_object(render(**{"hpa.maxReplicas": most}), "HorizontalPodAutoscaler", NAME)
    return json.dumps(made)


def rights(namespace: str = "scaling") -> list[str]:
    """The chart's account, role, ConfigMap and Lease of the autoscaler."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Lease")
    found = [one for one in render() if one["kind"] in kinds and one["metadata"]["name"] == ACCOUNT]
    for one in found:
        for subject in one.get("subjects", []):
            subject["namespace"] = namespace
    return [json.dumps(one) for one in found]


@dataclass
class Scaler:
    """One autoscaler process."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def pause(self) -> None:
        """As a node that stalls."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()


@dataclass
class Stage:
    """The namespace, and how autoscalers reach it and Redis."""

    space: Namespace
    servers: Servers
    root: Path
    kubeconfig: Path
    scalers: list[Scaler] = field(default_factory=list)

    def environment(self, **settings: str) -> Mapping[str, str]:
        """Of an autoscaler here."""
        chosen = {"NAMESPACE": self.space.name, **QUICK, **settings}
        own = {f"LIKEWISE_AUTOSCALER_{name}": value for name, value in chosen.items()}
        place = {"KUBECONFIG": str(self.kubeconfig), "LIKEWISE_REDIS_URLS": ",".join(self.servers.settings.redis_urls)}
        return {**os.environ, **own, **place}

    def start(self, name: str = "one", **settings: str) -> Scaler:
        """An autoscaler more; ended with the test."""
        log = self.root / f"{name}-{len(self.scalers)}.log"
        command = [sys.executable, "-m", "autoscaler", "run"]
        env = {**self.environment(**settings), "HOSTNAME": name}
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        scaler = Scaler(name, process, log)
        self.scalers.append(scaler)
        return scaler

    def say(self, *command: str, code: int = 0, admin: bool = False, **settings: str) -> str:
        """What a command of the autoscaler says; `admin`: by the rights of who runs the tests."""
        env = dict(self.environment(**settings))
        if admin:
            env["KUBECONFIG"] = os.environ["KUBECONFIG"]
        done = subprocess.run(
            [sys.executable, "-m", "autoscaler", *command], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def floor(self) -> int:
        """The HPA's."""
        return int(self.hpa()["spec"]["minReplicas"])

    def replicas(self) -> int:
        """What the Deployment is asked for."""
        return int(self.space.get("deployment", NAME)["spec"]["replicas"])

    def hpa(self) -> Any:
        return self.space.get("hpa", NAME, "--show-managed-fields")

    def leader(self) -> str:
        """The name of who leads."""
        lease = self.space.get("lease", LEASE)["spec"]
        return str(lease.get("holderIdentity", "")).partition("_")[0]

    def events(self, reason: str) -> list[str]:
        """What was said for a reason, oldest first."""
        found = self.space.get("events", "--field-selector", f"reason={reason}")["items"]
        return [one["message"] for one in sorted(found, key=lambda one: one["lastTimestamp"])]

    def annotate(self, *annotations: str) -> None:
        """Of the Deployment, by hand."""
        self.space.kubectl("annotate", "deployment", NAME, "--overwrite", *annotations)

    def edit_floor(self, least: int) -> None:
        """By hand."""
        patch = json.dumps({"spec": {"minReplicas": least}})
        self.space.kubectl("patch", "hpa", NAME, "--type=merge", "--field-manager=somebody", "-p", patch)

    def stays(self, holds: Callable[[], bool], for_s: float) -> None:
        """It is so at each look for a while."""
        until = datetime.now(UTC) + timedelta(seconds=for_s)
        while datetime.now(UTC) < until:
            assert holds()

    def reset(self) -> None:
        """As after an installation."""
        for scaler in self.scalers:
            scaler.end(signal.SIGKILL)
        self.scalers.clear()
        made = (f"deployment/{NAME}", f"hpa/{NAME}", f"lease/{LEASE}", f"configmap/{ACCOUNT}")
        self.space.kubectl("delete", "--ignore-not-found", "--wait", "--timeout=60s", *made)
        self.space.kubectl("delete", "events", "--all", "--wait=false")
        self.space.apply(deployment(), hpa(), *rights())


@contextmanager
def account_of(space: Namespace, root: Path) -> Iterator[Path]:
    """A kubeconfig with a token of the chart's account."""
    token = space.kubectl("create", "token", ACCOUNT, "--duration=1h").strip()
    config = json.loads(run("kubectl", "config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": "autoscaler", "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = "autoscaler"
    file = root / "kubeconfig"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    yield file
    file.unlink()
