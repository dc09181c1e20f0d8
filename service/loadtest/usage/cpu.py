"""Measure the CPU time of a run: of the local stack's processes, and of the load test itself."""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from service.loadtest.usage.local_stack import family

if TYPE_CHECKING:
    import psutil

# The name of the load test among the parts.
LOAD_TEST = "drill"


def part_of(name: str) -> str:
    """Return the part that a process belongs to: valkey-0 and valkey-1 are one part."""
    return name.rpartition("-")[0] or name


class CpuMeter:
    """CPU time from its creation on: of the load test until `stop_sending`, of the servers until `read`."""

    def __init__(self, processes: "Mapping[str, psutil.Process]") -> None:
        self._parts: defaultdict[str, list[psutil.Process]] = defaultdict(list)
        for name, process in processes.items():
            self._parts[part_of(name)].append(process)
        self._before = self._now()
        self._own_before = time.process_time()
        self._own_s = 0.0

    def stop_sending(self) -> None:
        """End the measurement of the load test, which from now on only waits and compares."""
        self._own_s = time.process_time() - self._own_before

    def read(self) -> dict[str, float]:
        """Return the CPU seconds by part until now."""
        now = self._now()
        cpu_s = {name: max(0.0, now[name] - before) for name, before in self._before.items()}
        return {**cpu_s, LOAD_TEST: self._own_s}

    def _now(self) -> dict[str, float]:
        return {name: sum(map(_cpu_s, processes)) for name, processes in self._parts.items()}


def _cpu_s(process: "psutil.Process") -> float:
    """Return the CPU seconds of the process and of its descendants, ended ones included."""
    import psutil

    spent = 0.0
    with suppress(psutil.Error):
        for one in family(process):
            with suppress(psutil.Error):
                times = one.cpu_times()
                spent += times.user + times.system + getattr(times, "children_user", 0.0)
                spent += getattr(times, "children_system", 0.0)
    return spent
