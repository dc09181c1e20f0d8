"""The load reporter: each process reports its load to the autoscaler every second."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

import structlog

from service.periodic_task import PeriodicTask

log = structlog.get_logger(__name__)
EVERY_S = 1.0

LoadReport = Mapping[str, Any]


class LoadReportStore(Protocol):
    """A place for load reports. Raises LikewiseError or a subclass."""

    def publish(self, process: str, report: LoadReport) -> None:
        """Replace the report of a process."""

    def remove(self, process: str) -> None:
        """Remove the report of a process."""

    def close(self) -> None:
        """Close the sockets."""


class LoadReporter:
    """Publishes a report to every store, each second from `start` to `close`.

    Each store has its own thread, so one that hangs delays no other. `measure` is called once a second for all
    stores. A store that cannot be reached is logged once, and tried again.
    """

    def __init__(
        self,
        role: str,
        measure: Callable[[], LoadReport],
        stores: Sequence[LoadReportStore],
        every_s: float = EVERY_S,
    ) -> None:
        self._role = role
        self._measure = measure
        self._every_s = every_s
        self._lock = Lock()
        self._report: LoadReport = {}
        self._measured_at = -1.0
        self._publishers = [_Publisher(store, self._process, self._current, every_s) for store in stores]

    def start(self) -> None:
        """Start, in the process that serves, because threads do not survive a fork."""
        for publisher in self._publishers:
            publisher.task.start()

    def close(self) -> None:
        """End, and remove the report, so that the autoscaler does not wait for this process."""
        for publisher in self._publishers:
            publisher.close()

    def _process(self) -> str:
        return f"{self._role}:{pod_name()}:{os.getpid()}"

    def _current(self) -> LoadReport:
        with self._lock:
            now = time.monotonic()
            if now - self._measured_at >= self._every_s / 2:
                self._report, self._measured_at = self._measure(), now
            return self._report


class _Publisher:
    """Publishes reports to one store."""

    def __init__(
        self,
        store: LoadReportStore,
        process: Callable[[], str],
        report: Callable[[], LoadReport],
        every_s: float,
    ) -> None:
        self._store = store
        self._process = process
        self._report = report
        self._reachable = True
        self.task = PeriodicTask("load-reports", self._publish, every_s=every_s, first_s=every_s / 10)

    def _publish(self) -> None:
        failure = self._attempt(lambda: self._store.publish(self._process(), self._report()))
        if failure and self._reachable:
            log.warning("load not reported: the autoscaler does not see this process there", reason=failure)
        elif not failure and not self._reachable:
            log.info("load reported again")
        self._reachable = not failure

    def close(self) -> None:
        self.task.close()
        # A call that hangs holds the socket and would delay the removal.
        if self._reachable and not self.task.is_running:
            self._attempt(lambda: self._store.remove(self._process()))
        self._store.close()

    def _attempt(self, call: Callable[[], None]) -> str:
        try:
            call()
        except Exception as error:
            return str(error) or repr(error)
        return ""


def pod_name() -> str:
    """Return the pod's name, which Kubernetes also gives to the host."""
    return os.environ.get("HOSTNAME") or socket.gethostname()
