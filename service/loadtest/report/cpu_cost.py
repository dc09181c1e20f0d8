"""What a run costs: CPU time of the local stack's processes and of the drill itself."""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loadtest.generator.plan import Target
from service.loadtest.report.local_processes import is_target, processes
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds by part. `missing` says why there is the drill's own alone."""

    cpu_s: Mapping[str, float]
    missing: str = ""


class Meter:
    """CPU time from the making of it on: of the drill until `sent`, of the servers until `read`."""

    def __init__(self, parts: "Mapping[str, list[psutil.Process]]", missing: str = "") -> None:
        self._parts = parts
        self._missing = missing
        self._before = self._now()
        self._own = time.process_time()
        self._drill = 0.0

    def sent(self) -> None:
        """All is sent: from now on the drill only waits and compares."""
        self._drill = time.process_time() - self._own

    def read(self) -> Costs:
        """What it has cost until now."""
        now = self._now()
        cost = {name: max(0.0, now[name] - spent) for name, spent in self._before.items()}
        return Costs({**cost, DRILL: self._drill}, self._missing)

    def _now(self) -> dict[str, float]:
        return {name: sum(map(_spent, processes)) for name, processes in self._parts.items()}


def meter(settings: Settings, target: Target) -> Meter:
    """A meter of the local stack's parts, where it is the target; else of the drill alone."""
    try:
        running = processes(settings)
    except ImportError:
        return Meter({}, "the package psutil is missing; `pip install 'likewise[local]'` brings it")
    if not is_target(running, target):
        return Meter({}, "the target is not the local stack of this state directory, so its processes are not known")
    parts: dict[str, list[psutil.Process]] = defaultdict(list)
    for name, process in running.items():
        parts[name.rpartition("-")[0] or name].append(process)  # valkey-0, valkey-1: one part
    return Meter(dict(parts))


def _spent(process: "psutil.Process") -> float:
    """CPU seconds of the process and all below it, those that have ended too."""
    import psutil

    spent = 0.0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = one.cpu_times()
                spent += times.user + times.system + getattr(times, "children_user", 0.0)
                spent += getattr(times, "children_system", 0.0)
    return spent
