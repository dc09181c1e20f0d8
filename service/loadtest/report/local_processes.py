"""The local stack as its state directory tells of it: its processes, and where its NGINX listens."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from service.loadtest.generator.plan import DEFAULT_URL, Target
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

_CLOCK_S = 2.0  # start times are computed from the boot time, which the kernel adjusts
_LOCAL = ("127.0.0.1", "localhost")


def processes(settings: Settings) -> "dict[str, psutil.Process]":
    """What `likewise up` has started and still runs, by name. Raises ImportError without psutil."""
    import psutil

    found = {}
    for file in sorted(Path(settings.state_dir, "run").glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
            note = json.loads(file.read_text())
            process = psutil.Process(int(note["pid"]))
            if abs(process.create_time() - note["born"]) < _CLOCK_S:  # else the number is another's by now
                found[file.stem] = process
    return found


def is_target(running: "dict[str, psutil.Process]", target: Target) -> bool:
    """Whether this is the address of the stack's NGINX."""
    return target.host in _LOCAL and target.port in _ports(running)


def default_url(settings: Settings) -> str:
    """Where the running local stack is; the usual place where none runs."""
    with suppress(ImportError):
        for port in _ports(processes(settings)):
            return f"http://{_LOCAL[0]}:{port}"
    return DEFAULT_URL


def _ports(running: "dict[str, psutil.Process]") -> list[int]:
    import psutil

    with suppress(KeyError, psutil.Error):  # no NGINX, or a system that does not tell
        return [one.laddr.port for one in running["nginx"].net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    return []
