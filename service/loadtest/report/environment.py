"""Describe the machine of a load test, and raise its limit of open files."""

import os
import platform
import resource
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Open files in addition to the connections.
_OTHER_FILES = 64


def describe_machine() -> dict[str, Any]:
    """Return time, processor, cores, system and Python, and the load average before the run."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def raise_file_limit(connections: int) -> None:
    """Raise the limit of open files as far as needed and possible. The usual one is 256 or 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = connections + _OTHER_FILES
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        # If this fails, some connections cannot be opened, which is then reported.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
