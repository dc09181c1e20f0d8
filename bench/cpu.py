"""CPU time of processes and of all they started, of those that have ended too."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

Parts = Mapping[str, Sequence[psutil.Process]]


class Meter:
    """CPU seconds by part, from the making of it on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._before = _now(parts)

    def read(self) -> dict[str, float]:
        """What each part has spent until now."""
        now = _now(self._parts)
        return {name: now[name] - before for name, before in self._before.items()}


def _now(parts: Parts) -> dict[str, float]:
    return {name: sum(map(_spent, processes)) for name, processes in parts.items()}


def _spent(process: psutil.Process) -> float:
    # Children that were waited for are in `children_*` of their parent (Postgres' ended backends), the others are live.
    spent = _own(process)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += _own(child)
    return spent


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)  # absent on macOS
    return float(times.user + times.system + ended)
