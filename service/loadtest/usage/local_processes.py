"""Find the processes of the local stack, and the port of its NGINX, from its state directory."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from service.loadtest.generator.plan import DEFAULT_URL, Target
from service.settings import Settings

if TYPE_CHECKING:
    import psutil

# Start times are computed from the boot time, which the kernel adjusts.
_CLOCK_TOLERANCE_S = 2.0
_LOCAL_HOSTS = ("127.0.0.1", "localhost")


def stack_processes(settings: Settings) -> "dict[str, psutil.Process]":
    """Return the running processes that `likewise up` has started, by name. Raises ImportError without psutil."""
    import psutil

    processes = {}
    for file in sorted(Path(settings.state_dir, "run").glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
            note = json.loads(file.read_text())
            process = psutil.Process(int(note["pid"]))
            # With another start time, the pid now belongs to another program.
            if abs(process.create_time() - note["born"]) < _CLOCK_TOLERANCE_S:
                processes[file.stem] = process
    return processes


def is_local_target(running: "dict[str, psutil.Process]", target: Target) -> bool:
    """Return whether the target is the NGINX of the stack."""
    return target.host in _LOCAL_HOSTS and target.port in _nginx_ports(running)


def default_url(settings: Settings) -> str:
    """Return the URL of the running local stack, or the usual one if none runs."""
    with suppress(ImportError):
        for port in _nginx_ports(stack_processes(settings)):
            return f"http://{_LOCAL_HOSTS[0]}:{port}"
    return DEFAULT_URL


def _nginx_ports(running: "dict[str, psutil.Process]") -> list[int]:
    import psutil

    # There may be no NGINX, and some systems do not tell its ports.
    with suppress(KeyError, psutil.Error):
        return [one.laddr.port for one in running["nginx"].net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    return []
