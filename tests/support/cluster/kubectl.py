"""Run kubectl and helm against the cluster that KUBECONFIG names."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.kubernetes.chart import CHART, set_arguments
from tests.support.waiting import wait_for

# The nodes must have these images, as they are never pulled.
IMAGE = os.environ.get("LIKEWISE_TEST_IMAGE", "likewise:test")
DRILL_IMAGE = os.environ.get("LIKEWISE_TEST_DRILL_IMAGE", "likewise-drill:test")

# Values with which a whole installation fits on one small node. Tests set the number of pods themselves.
SMALL: dict[str, object] = {
    "image.repository": IMAGE.rpartition(":")[0],
    "image.tag": IMAGE.rpartition(":")[2],
    "image.pullPolicy": "Never",
    "api.resources.requests.cpu": "20m",
    "flusher.resources.requests.cpu": "20m",
    "redis.resources.requests.cpu": "10m",
    "postgres.resources.requests.cpu": "10m",
    "autoscaler.enabled": False,
}

# Pods that start at the same time use all cores of a small node for seconds. Late responses are accepted then.
LONG_TIMEOUTS: dict[str, object] = {
    "settings.redis_deadline_ms": 15_000,
    "settings.redis_timeout_ms": 5_000,
    "settings.postgres_timeout_ms": 5_000,
}


class CommandError(AssertionError):
    """A command failed. The text contains its output."""


def run(*command: str, stdin: str | None = None, timeout_s: float = 240) -> str:
    """Return the output of a command. Raise CommandError."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise CommandError(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    """A namespace of one test, with the Pod Security level `restricted`."""

    name: str

    def kubectl(self, *args: str, stdin: str | None = None, timeout_s: float = 240) -> str:
        """Return the output of kubectl. Raise CommandError."""
        return run("kubectl", "--namespace", self.name, *args, stdin=stdin, timeout_s=timeout_s)

    def get(self, *args: str) -> Any:
        """Return the JSON of `kubectl get`."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, *manifests: str) -> None:
        """Apply manifests."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(manifests))

    def helm(self, *args: str, timeout_s: float = 300) -> str:
        """Return the output of helm. Raise CommandError."""
        return run("helm", "--namespace", self.name, *args, timeout_s=timeout_s)

    def install(self, *, chart: Path = CHART, timeout: str = "4m", wait: bool = True, **values: object) -> None:
        """Install or upgrade the release `likewise`.

        Pass values as `**{"redis.enabled": False}`. None leaves out a value of `SMALL`.
        """
        sets = set_arguments({name: value for name, value in {**SMALL, **values}.items() if value is not None})
        waiting = ["--wait"] if wait else []
        self.helm("upgrade", "--install", "likewise", str(chart), "--timeout", timeout, *waiting, *sets)

    def pods(self, component: str) -> list[Any]:
        """Return the pods of a component that are not terminating."""
        found = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> int:
        """Return the number of ready pods of a component."""
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in self.pods(component)
            for condition in pod["status"].get("conditions", [])
        )

    def execute(self, pod: str, *command: str, container: str = "") -> str:
        """Return the output of a command in a pod."""
        options = ["-c", container] if container else []
        return self.kubectl("exec", pod, *options, "--", *command)

    def sql(self, statement: str) -> str:
        """Return the answer of the chart's first database, stripped."""
        return self.execute("likewise-postgres-0-0", "psql", "-U", "likewise", "-tAc", statement).strip()


@contextmanager
def namespace(name: str) -> Iterator[Namespace]:
    """Create an empty namespace, and delete it at the end."""
    delete_namespace(name)
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield Namespace(name)
    finally:
        delete_namespace(name)


def delete_namespace(name: str) -> None:
    """Delete a namespace and wait until it is gone. Its pods are killed without a grace period."""
    run("kubectl", "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    run("kubectl", "--namespace", name, "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
    run("kubectl", "wait", "--for=delete", f"namespace/{name}", "--timeout=180s")


def eventually(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait until a condition is true. It is checked twice per second, and an exception counts as false."""
    last: list[Exception] = []

    def holds() -> bool:
        try:
            return bool(condition())
        except Exception as error:
            last[:] = [error]
            return False

    try:
        wait_for(holds, timeout_s, every_s=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}; last: {last[0] if last else 'false'}") from error
