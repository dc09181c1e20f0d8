"""Records how many pods a Deployment is asked for, has and has ready, and its HPA's floor, as Kubernetes tells it."""

import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Self

Steps = list[tuple[float, int]]  # (time.monotonic(), number from then on)

_POD = (
    "{.object.metadata.name} {.type} {.object.metadata.deletionTimestamp}/"
    '{.object.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
)


def at(steps: Steps, moment: float) -> int:
    """The number at a time; 0 before the first."""
    return next((number for since, number in reversed(steps) if since <= moment), 0)


@dataclass(slots=True)
class Recorder:
    """Within a block. Times are `time.monotonic()`; a number is noted when it changes."""

    namespace: str
    deployment: str
    selector: str  # of the Deployment's pods
    hpa: str = ""
    asked: Steps = field(default_factory=list)
    floor: Steps = field(default_factory=list)
    existing: Steps = field(default_factory=list)
    ready: Steps = field(default_factory=list)
    leads_s: list[float] = field(default_factory=list)  # from a pod's creation to its readiness
    _pods: dict[str, bool] = field(default_factory=dict)  # those that are not on their way out, and which are ready
    _made: dict[str, float] = field(default_factory=dict)  # when those came that are not ready yet
    _lock: Lock = field(default_factory=Lock)
    _watches: "list[tuple[subprocess.Popen[str], Thread]]" = field(default_factory=list)

    def __enter__(self) -> Self:
        self._watch(self._see_pod, _POD, "pods", "--selector", self.selector)
        self._watch(self._see_asked, '{.object.spec.replicas}{"\\n"}', f"deployment/{self.deployment}")
        if self.hpa:
            self._watch(self._see_floor, '{.object.spec.minReplicas}{"\\n"}', f"hpa/{self.hpa}")
        return self

    def __exit__(self, *_: object) -> None:
        for process, _thread in self._watches:
            process.terminate()
        for process, thread in self._watches:
            thread.join()
            process.wait()

    def ready_pods(self) -> list[str]:
        """The names of the pods that are ready now."""
        with self._lock:
            return [name for name, ready in self._pods.items() if ready]

    def _watch(self, see: Callable[[str], None], template: str, *what: str) -> None:
        command = ["kubectl", "--namespace", self.namespace, "get", *what]
        options = ["--watch", "--output-watch-events", "--output", f"jsonpath={template}"]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)  # noqa: S603 - kubectl
        thread = Thread(target=_follow, args=(process, see), name=f"watch-{what[0]}", daemon=True)
        thread.start()
        self._watches.append((process, thread))

    def _see_pod(self, line: str) -> None:
        if line.startswith("ADDED"):  # a list without pods is told as an object without a name
            return
        name, kind, state = line.split()
        deleted, _, ready = state.partition("/")
        with self._lock:
            if kind == "DELETED" or deleted:
                self._pods.pop(name, None)
            else:
                self._time(name, ready == "True")
                self._pods[name] = ready == "True"
            _note(self.existing, len(self._pods))
            _note(self.ready, sum(self._pods.values()))

    def _time(self, name: str, ready: bool) -> None:
        if name not in self._pods and not ready:
            self._made[name] = time.monotonic()
        elif ready and name in self._made:
            self.leads_s.append(time.monotonic() - self._made.pop(name))

    def _see_asked(self, line: str) -> None:
        _note(self.asked, int(line))

    def _see_floor(self, line: str) -> None:
        _note(self.floor, int(line or 1))


def _follow(process: "subprocess.Popen[str]", see: Callable[[str], None]) -> None:
    assert process.stdout
    with process.stdout as lines:
        deque(map(see, (line.strip() for line in lines)), maxlen=0)


def _note(steps: Steps, number: int) -> None:
    if not steps or steps[-1][1] != number:
        steps.append((time.monotonic(), number))
