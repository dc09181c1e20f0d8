"""Each process tells the autoscaler each second what it has to do, on threads (under gevent greenlets) of its own."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)
EVERY_S = 1.0
_CLOSE_S = 1.0

LoadReport = Mapping[str, Any]


class LoadReportStore(Protocol):
    """Where processes leave what they publish. Raises LikewiseError or one of its kinds."""

    def publish(self, who: str, said: LoadReport) -> None:
        """Replace what `who` has told."""

    def remove(self, who: str) -> None:
        """Drop what `who` has told."""

    def close(self) -> None:
        """Close the sockets."""


class LoadReporter:
    """Tells every store each second from `start` to `close`, each on its own thread: one that hangs delays no other.

    `measure` is called once for a second, whatever the number of stores. What can't be told is said once, and left.
    """

    def __init__(
        self, role: str, measure: Callable[[], LoadReport], stores: Sequence[LoadReportStore], every_s: float = EVERY_S
    ) -> None:
        self._role = role
        self._measure = measure
        self._boards = stores
        self._every_s = every_s
        self._lock = Lock()
        self._said: LoadReport = {}
        self._said_at = -1.0
        self._closed = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin; in the process that serves, as threads outlive no fork."""
        self._threads = [Thread(target=self._run, args=(store,), name="signals", daemon=True) for store in self._boards]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End, and take back what was told: who is gone is not waited for."""
        self._closed.set()
        for thread in self._threads:
            thread.join(_CLOSE_S)
        for store in self._boards:
            store.close()

    def _run(self, store: LoadReportStore) -> None:
        who = f"{self._role}:{pod_name()}:{os.getpid()}"
        reached, next_at = True, time.monotonic()
        while not self._closed.wait(max(self._every_s / 10, next_at - time.monotonic())):
            next_at = time.monotonic() + self._every_s
            failed = self._attempt(lambda: store.publish(who, self._now()))
            if failed and reached:
                log.warning("signals not told: the autoscaler does not see this process there", reason=failed)
            elif not failed and not reached:
                log.info("signals told again")
            reached = not failed
        if reached:
            self._attempt(lambda: store.remove(who))

    def _attempt(self, call: Callable[[], None]) -> str:
        try:
            call()
        except Exception as error:  # the thread must outlive whatever it meets
            return str(error) or repr(error)
        return ""

    def _now(self) -> LoadReport:
        with self._lock:
            now = time.monotonic()
            if now - self._said_at >= self._every_s / 2:
                self._said, self._said_at = self._measure(), now
            return self._said


def pod_name() -> str:
    """The pod's name; Kubernetes makes it the host's."""
    return os.environ.get("HOSTNAME") or socket.gethostname()
