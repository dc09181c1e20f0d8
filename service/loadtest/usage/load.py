"""Measure how many cores are in use while likes are sent: by the machine, each part, and its busiest process."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.loadtest.usage.cpu import LOAD_TEST, part_of
from service.loadtest.usage.local_stack import family

if TYPE_CHECKING:
    import psutil

_INTERVAL_S = 1.0
# A process, by its part and pid. These two stand for the time, and for all programs of the machine.
Key = tuple[str, int]
_TIME, _MACHINE = ("time", 0), ("machine", 0)


@dataclass(frozen=True, slots=True)
class Load:
    """Cores in use while likes waited for their answer, or during the whole sending if hardly any did.

    cores: those of the machine. used: by all its programs; None if that is unknown.
    parts: by each part. busiest: by the busiest process of each part.
    """

    cores: int = 1
    used: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    busiest: Mapping[str, float] = field(default_factory=dict)


class LoadMeter:
    """The load from the creation of the meter on, if `sample` is called several times a second."""

    def __init__(self, processes: "Mapping[str, psutil.Process]") -> None:
        self._processes = [(part_of(name), one) for name, root in processes.items() for one in _family(root)]
        self._sums: dict[bool, Counter[Key]] = {False: Counter(), True: Counter()}
        self._before = self._read()

    def sample(self, *, is_behind: bool) -> None:
        """Add the time since the last sample. `is_behind`: likes have waited for their answer for long."""
        if time.monotonic() - self._before[_TIME] >= _INTERVAL_S:
            self._add(is_behind)

    def stop(self, *, is_behind: bool) -> Load:
        """Return the load until now."""
        self._add(is_behind)
        total = self._sums[True]
        if total[_TIME] < _INTERVAL_S:
            total.update(self._sums[False])
        return load_of(total)

    def _add(self, is_behind: bool) -> None:
        now = self._read()
        # A process that has ended is left out.
        self._sums[is_behind].update({key: now[key] - then for key, then in self._before.items() if key in now})
        self._before = now

    def _read(self) -> dict[Key, float]:
        counters = {_TIME: time.monotonic(), (LOAD_TEST, os.getpid()): time.process_time()}
        with suppress(ImportError):
            import psutil

            machine = psutil.cpu_times()
            counters[_MACHINE] = sum(machine[:]) - machine.idle - getattr(machine, "iowait", 0.0)
            for part, process in self._processes:
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    counters[part, process.pid] = times.user + times.system
        return counters


def _family(process: "psutil.Process") -> "list[psutil.Process]":
    import psutil

    # A process that has just ended has none.
    with suppress(psutil.Error):
        return family(process)
    return []


def load_of(seconds: Mapping[Key, float]) -> Load:
    """Return the load of CPU seconds by process, among which are the time and the machine's CPU seconds."""
    cores: defaultdict[str, list[float]] = defaultdict(list)
    for (part, _), spent in seconds.items():
        cores[part].append(spent / seconds[_TIME])
    del cores[_TIME[0]]
    used = cores.pop(_MACHINE[0], [None])[0]
    return Load(
        cores=os.cpu_count() or 1,
        used=used,
        parts={part: sum(values) for part, values in cores.items()},
        busiest={part: max(values) for part, values in cores.items()},
    )
