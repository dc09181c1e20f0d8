"""Run work periodically in the background, until the task is closed."""

import time
from collections.abc import Callable
from threading import Event, Lock, Thread

import structlog

log = structlog.get_logger(__name__)


class PeriodicTask:
    """Call `work` on its own thread (under gevent a greenlet) from `start` to `close`.

    `work` returns the seconds until its next call, or None for `every_s` after its last call began.
    An exception is logged and does not end the task.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], float | None],
        *,
        every_s: float,
        first_s: float = 0.0,
        close_s: float = 1.0,
    ) -> None:
        self._name = name
        self._work = work
        self._every_s = every_s
        self._first_s = first_s
        self._close_s = close_s
        self._wake = Event()
        self._closed = False
        self._starting = Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start, once per process. A thread does not survive a fork, so a forked worker may start its own."""
        with self._starting:
            if not self._closed and not self.is_running:
                # A daemon: work that hangs must not keep the process from ending.
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread of this process is alive."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """End the current pause: the next call begins now."""
        self._wake.set()

    def close(self) -> None:
        """End after the call under way, waiting `close_s` seconds at most. The task cannot be started again."""
        self._closed = True
        self._wake.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join(self._close_s)

    def _run(self) -> None:
        self._pause(self._first_s)
        while not self._closed:
            began = time.monotonic()
            pause_s = self._attempt()
            # Work that takes longer than its period still leaves room for others.
            self._pause(
                max(self._every_s / 10, began + self._every_s - time.monotonic()) if pause_s is None else pause_s
            )

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        if not self._closed:
            self._wake.clear()

    def _attempt(self) -> float | None:
        try:
            return self._work()
        except Exception:
            log.exception("periodic task failed", task=self._name)
            return None
