"""What the drill runs on, so that its figures can be read later; and how many sockets it may open."""

import os
import platform
import resource
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_OTHERS = 64  # files that are open besides the connections


def describe() -> dict[str, Any]:
    """Processor, cores, system and Python; and how busy it was before the run."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def allow_sockets(count: int) -> None:
    """Raise the limit of open files as far as it may be: 256 on macOS, 1,024 on most Linux."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHERS if hard == resource.RLIM_INFINITY else min(count + _OTHERS, hard)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        with suppress(ValueError, OSError):  # then some connections can't be opened, which is said
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
