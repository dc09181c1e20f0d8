"""kubectl and helm, as an operations person runs them, against whatever cluster KUBECONFIG names."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.chart import CHART, set_arguments
from tests.support.waiting import wait_for

# The nodes must have these images, as they are never pulled.
IMAGE = os.environ.get("LIKEWISE_TEST_IMAGE", "likewise:test")
DRILL_IMAGE = os.environ.get("LIKEWISE_TEST_DRILL_IMAGE", "likewise-drill:test")
SMALL: dict[str, object] = {  # what lets a whole installation fit on one small node
    "image.repository": IMAGE.rpartition(":")[0],
    "image.tag": IMAGE.rpartition(":")[2],
    "image.pullPolicy": "Never",
    "api.resources.requests.cpu": "20m",
    "flusher.resources.requests.cpu": "20m",
    "redis.resources.requests.cpu": "10m",
    "postgres.resources.requests.cpu": "10m",
    "autoscaler.enabled": False,  # these tests say themselves how many pods there are
}

# Pods that start together take a small node's cores for some seconds: late is not lost.
PATIENT: dict[str, object] = {
    "settings.redis_deadline_ms": 15_000,
    "settings.redis_timeout_ms": 5_000,
    "settings.postgres_timeout_ms": 5_000,
}


class CommandError(AssertionError):
    """A command that ended with another exit code than 0; its text holds what was said."""


def run(*command: str, stdin: str | None = None, timeout_s: float = 240) -> str:
    """The command's output. Raises CommandError."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise CommandError(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    """A namespace that only this test uses, under the Pod Security level `restricted`."""

    name: str

    def kubectl(self, *args: str, stdin: str | None = None, timeout_s: float = 240) -> str:
        """What kubectl says. Raises CommandError."""
        return run("kubectl", "--namespace", self.name, *args, stdin=stdin, timeout_s=timeout_s)

    def get(self, *args: str) -> Any:
        """What `kubectl get ... -o json` says, read."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, *manifests: str) -> None:
        """`kubectl apply` of manifests."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(manifests))

    def helm(self, *args: str, timeout_s: float = 300) -> str:
        """What helm says. Raises CommandError."""
        return run("helm", "--namespace", self.name, *args, timeout_s=timeout_s)

    def install(self, *, chart: Path = CHART, timeout: str = "4m", wait: bool = True, **values: object) -> None:
        """Install or upgrade the release `likewise`; values as `{"redis.enabled": False}` by `**`, None: not given."""
        sets = set_arguments({name: value for name, value in {**SMALL, **values}.items() if value is not None})
        waiting = ["--wait"] if wait else []
        self.helm("upgrade", "--install", "likewise", str(chart), "--timeout", timeout, *waiting, *sets)

    def pods(self, component: str) -> list[Any]:
        """The pods of a component that are not on their way out."""
        found = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> int:
        """How many pods of the component are ready."""
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in self.pods(component)
            for condition in pod["status"].get("conditions", [])
        )

    def execute(self, pod: str, *command: str, container: str = "") -> str:
        """The output of a command in a pod."""
        where = ["-c", container] if container else []
        return self.kubectl("exec", pod, *where, "--", *command)

    def sql(self, statement: str) -> str:
        """What the chart's first database answers, without spaces around it."""
        return self.execute("likewise-postgres-0-0", "psql", "-U", "likewise", "-tAc", statement).strip()


@contextmanager
def namespace(name: str) -> Iterator[Namespace]:
    """A new namespace, gone at the end with all that is in it."""
    gone(name)
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield Namespace(name)
    finally:
        gone(name)


def gone(name: str) -> None:
    """Delete a namespace and wait until it is; its pods need not end in order."""
    run("kubectl", "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    run("kubectl", "--namespace", name, "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
    run("kubectl", "wait", "--for=delete", f"namespace/{name}", "--timeout=180s")


def eventually(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Return once `condition` is true, asking twice a second; what it raises meanwhile counts as false."""
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
