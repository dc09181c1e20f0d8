"""Record the desired, existing and ready pods of a Deployment, and its HPA's `minReplicas`, with `kubectl --watch`."""

import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Self

# (time.monotonic(), number from then on)
Steps = list[tuple[float, int]]

_POD = (
    "{.object.metadata.name} {.type} {.object.metadata.deletionTimestamp}/"
    '{.object.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
)


def value_at(steps: Steps, time_s: float) -> int:
    """Return the number at a time, 0 before the first step."""
    return next((number for since, number in reversed(steps) if since <= time_s), 0)


@dataclass(slots=True)
class Recorder:
    """A recorder that works within a `with` block.

    A number is recorded when it changes. Times are of `time.monotonic()`. `selector` selects the Deployment's pods.
    `startup_times_s` holds the time from each pod's creation to its readiness.
    """

    namespace: str
    deployment: str
    selector: str
    hpa: str = ""
    desired: Steps = field(default_factory=list)
    min_replicas: Steps = field(default_factory=list)
    existing: Steps = field(default_factory=list)
    ready: Steps = field(default_factory=list)
    startup_times_s: list[float] = field(default_factory=list)
    # Whether each pod is ready. Pods that are being deleted are left out.
    _pods: dict[str, bool] = field(default_factory=dict)
    # The creation times of the pods that are not ready yet.
    _created: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _watches: "list[tuple[subprocess.Popen[str], Thread]]" = field(default_factory=list)

    def __enter__(self) -> Self:
        self._watch(self._record_pod, _POD, "pods", "--selector", self.selector)
        self._watch(self._record_desired, '{.object.spec.replicas}{"\\n"}', f"deployment/{self.deployment}")
        if self.hpa:
            self._watch(self._record_min_replicas, '{.object.spec.minReplicas}{"\\n"}', f"hpa/{self.hpa}")
        return self

    def __exit__(self, *_: object) -> None:
        for process, _thread in self._watches:
            process.terminate()
        for process, thread in self._watches:
            thread.join()
            process.wait()

    def ready_pods(self) -> list[str]:
        """Return the names of the pods that are ready now."""
        with self._lock:
            return [name for name, ready in self._pods.items() if ready]

    def _watch(self, record: Callable[[str], None], template: str, *resource: str) -> None:
        command = ["kubectl", "--namespace", self.namespace, "get", *resource]
        options = ["--watch", "--output-watch-events", "--output", f"jsonpath={template}"]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)  # noqa: S603 - kubectl
        thread = Thread(target=_follow, args=(process, record), name=f"watch-{resource[0]}", daemon=True)
        thread.start()
        self._watches.append((process, thread))

    def _record_pod(self, line: str) -> None:
        # An empty list of pods arrives as an object without a name.
        if line.startswith("ADDED"):
            return
        name, kind, state = line.split()
        deleted, _, ready = state.partition("/")
        with self._lock:
            if kind == "DELETED" or deleted:
                self._pods.pop(name, None)
            else:
                self._measure_startup(name, ready == "True")
                self._pods[name] = ready == "True"
            _add_step(self.existing, len(self._pods))
            _add_step(self.ready, sum(self._pods.values()))

    def _measure_startup(self, name: str, ready: bool) -> None:
        if name not in self._pods and not ready:
            self._created[name] = time.monotonic()
        elif ready and name in self._created:
            self.startup_times_s.append(time.monotonic() - self._created.pop(name))

    def _record_desired(self, line: str) -> None:
        _add_step(self.desired, int(line))

    def _record_min_replicas(self, line: str) -> None:
        _add_step(self.min_replicas, int(line or 1))


def _follow(process: "subprocess.Popen[str]", record: Callable[[str], None]) -> None:
    assert process.stdout
    with process.stdout as lines:
        deque(map(record, (line.strip() for line in lines)), maxlen=0)


def _add_step(steps: Steps, number: int) -> None:
    if not steps or steps[-1][1] != number:
        steps.append((time.monotonic(), number))
