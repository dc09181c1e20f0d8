"""Measure how soon a pod is ready after its process has started. This bounds how fast an autoscaler can react.

The figure is in seconds and not a ratio, so measure it on a quiet machine. Elsewhere `cpu` says more.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median

import psutil

from bench.errors import BenchError
from bench.testbed import Testbed
from service.devstack.ports import status_of
from service.devstack.processes import HOST, terminate

_INTERVAL_S = 0.005
_GIVE_UP_S = 60.0


def measure(testbed: Testbed) -> dict[str, float]:
    """Return the times of a new pod's start in seconds.

    listens: interpreter and gunicorn run. serves: a worker has imported the application. ready: Redis and Postgres
    have answered. cpu: CPU seconds spent until then.
    """
    began = time.monotonic()
    process, port = testbed.launch_pod()
    try:
        times = {
            "listens": _seconds_until(lambda: _listens(port), began),
            "serves": _seconds_until(lambda: status_of(port, "/livez") == 200, began),
            "ready": _seconds_until(lambda: status_of(port, "/readyz") == 200, began),
            "cpu": _cpu_s(psutil.Process(process.pid)),
        }
    finally:
        terminate([process], timeout_s=30)
    return times


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each time."""
    return {part: round(median(one[part] for one in rounds), 3) for part in rounds[0]}


def _seconds_until(condition: Callable[[], bool], began: float) -> float:
    while not condition():
        if time.monotonic() > began + _GIVE_UP_S:
            raise BenchError(f"A new pod was not ready after {_GIVE_UP_S:g} s.")
        time.sleep(_INTERVAL_S)
    return time.monotonic() - began


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5):
        return True
    return False


def _cpu_s(root: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in (root, *root.children(recursive=True)))
