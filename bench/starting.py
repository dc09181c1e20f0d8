"""How soon a pod is ready after its process has begun, and what that is made of. It is an autoscaler's floor.

Not a ratio, as it is held against a number of seconds: measure it on a quiet machine. On others `cpu` is worth more.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import psutil

from bench.errors import BenchError
from bench.lab import Lab, listens, status_of
from service.devstack.processes import terminate

_EVERY_S = 0.005
_GIVE_UP_S = 60.0


def measure(lab: Lab) -> dict[str, float]:
    """Seconds until a new pod `listens` (interpreter, gunicorn), `serves` (its worker has imported the application),
    and is `ready` (Redis and Postgres have answered); and the `cpu` seconds that this took.
    """
    began = time.monotonic()
    process, port = lab.begin_pod()
    try:
        found = {
            "listens": _until(lambda: listens(port), began),
            "serves": _until(lambda: status_of(port, "/livez") == 200, began),
            "ready": _until(lambda: status_of(port, "/readyz") == 200, began),
            "cpu": _cpu_s(psutil.Process(process.pid)),
        }
    finally:
        terminate([process], timeout_s=30)
    return found


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each part."""
    return {part: round(median(one[part] for one in rounds), 3) for part in rounds[0]}


def _until(holds: Callable[[], bool], began: float) -> float:
    while not holds():
        if time.monotonic() > began + _GIVE_UP_S:
            raise BenchError(f"a new pod was not ready after {_GIVE_UP_S:g} s")
        time.sleep(_EVERY_S)
    return time.monotonic() - began


def _cpu_s(root: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in (root, *root.children(recursive=True)))
