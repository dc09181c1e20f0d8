"""What a run costs: CPU time of the local stack's processes and of the drill itself."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.drill.plan import Target
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

DRILL = "drill"
_CLOCK_S = 2.0  # start times are computed from the boot time, which the kernel adjusts


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
    """A meter of the local stack's parts, where the target is its NGINX on this machine; else of the drill alone."""
    try:
        import psutil
    except ImportError:
        return Meter({}, "the package psutil is missing; `pip install 'likewise[local]'` brings it")
    notes = _notes(settings.state_dir / "run")
    with suppress(psutil.Error):
        if "nginx" in notes and _listens(notes["nginx"], target):
            parts: dict[str, list[psutil.Process]] = defaultdict(list)
            for name, process in notes.items():
                parts[name.rpartition("-")[0] or name].append(process)  # valkey-0, valkey-1: one part
            return Meter(dict(parts))
    return Meter({}, "the target is not the local stack of this state directory, so its processes are not known")


def _notes(run: Path) -> "dict[str, psutil.Process]":
    """The processes that `likewise up` has started, by name, as it notes them in its state directory."""
    import psutil

    found = {}
    for file in sorted(run.glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
            note = json.loads(file.read_text())
            process = psutil.Process(int(note["pid"]))
            if abs(process.create_time() - note["born"]) < _CLOCK_S:  # else the number is another's by now
                found[file.stem] = process
    return found


def _listens(process: "psutil.Process", target: Target) -> bool:
    ends = [one.laddr for one in process.net_connections("tcp") if one.status == "LISTEN"]
    return target.host in ("127.0.0.1", "localhost") and any(end.port == target.port for end in ends)


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
