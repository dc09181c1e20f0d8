"""Measure the CPU time of a run: of the local stack's processes, and of the load test itself."""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loadtest.generator.plan import Target
from service.loadtest.report.local_processes import is_local_target, stack_processes
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

# The name of the load test among the parts.
LOAD_TEST = "drill"


@dataclass(frozen=True, slots=True)
class CpuCosts:
    """CPU seconds by part. `missing` says why only the load test was measured."""

    cpu_s: Mapping[str, float]
    missing: str = ""


class CpuMeter:
    """CPU time from its creation on: of the load test until `stop_sending`, of the servers until `read`."""

    def __init__(self, parts: "Mapping[str, list[psutil.Process]]", missing: str = "") -> None:
        self._parts = parts
        self._missing = missing
        self._before = self._now()
        self._own_before = time.process_time()
        self._own_s = 0.0

    def stop_sending(self) -> None:
        """End the measurement of the load test, which from now on only waits and compares."""
        self._own_s = time.process_time() - self._own_before

    def read(self) -> CpuCosts:
        """Return the costs until now."""
        now = self._now()
        cpu_s = {name: max(0.0, now[name] - before) for name, before in self._before.items()}
        return CpuCosts({**cpu_s, LOAD_TEST: self._own_s}, self._missing)

    def _now(self) -> dict[str, float]:
        return {name: sum(map(_cpu_s, processes)) for name, processes in self._parts.items()}


def start_meter(settings: Settings, target: Target) -> CpuMeter:
    """Return a meter of the local stack's parts if it is the target, else of the load test alone."""
    try:
        running = stack_processes(settings)
    except ImportError:
        return CpuMeter({}, "the package psutil is missing. Install it with: pip install 'likewise[local]'")
    if not is_local_target(running, target):
        return CpuMeter({}, "the target is not the local stack of this state directory")
    parts: dict[str, list[psutil.Process]] = defaultdict(list)
    for name, process in running.items():
        # valkey-0 and valkey-1 are one part.
        parts[name.rpartition("-")[0] or name].append(process)
    return CpuMeter(dict(parts))


def _cpu_s(process: "psutil.Process") -> float:
    """Return the CPU seconds of the process and of its descendants, ended ones included."""
    import psutil

    spent = 0.0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = one.cpu_times()
                spent += times.user + times.system + getattr(times, "children_user", 0.0)
                spent += getattr(times, "children_system", 0.0)
    return spent
