"""Measure the CPU time of processes and of all their descendants, ended ones included."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

Parts = Mapping[str, Sequence[psutil.Process]]


class CpuMeter:
    """CPU seconds by part, from the creation of the meter on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._before = _now(parts)

    def read(self) -> dict[str, float]:
        """Return what each part has spent until now."""
        now = _now(self._parts)
        return {name: now[name] - before for name, before in self._before.items()}


def _now(parts: Parts) -> dict[str, float]:
    return {name: sum(map(_cpu_s, processes)) for name, processes in parts.items()}


def _cpu_s(process: psutil.Process) -> float:
    # Children that ended, such as Postgres backends, are in `children_*` of their parent. The others are running.
    spent = _own_cpu_s(process)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += _own_cpu_s(child)
    return spent


def _own_cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    # macOS does not have these.
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended)
