"""Sample one number repeatedly while likes are sent."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from service.errors import LikewiseError
from service.loadtest.checks.freshness import Samples
from service.periodic_task import PeriodicTask

INTERVAL_S = 0.1
# A sample that hangs must not keep a second Ctrl-C from ending the run.
_CLOSE_S = 2.0


class Sampler:
    """Samples on its own thread, within its context. A failed sample is counted, and sampling continues.

    `rest`: after each sample, pause for at least `rest` times its duration.
    """

    def __init__(self, name: str, read: Callable[[], int], rest: float = 0) -> None:
        self.samples = Samples()
        self._read = read
        self._rest = rest
        self._sampled = threading.Condition()
        self._task = PeriodicTask(f"drill-{name}", self._sample, every_s=INTERVAL_S, close_s=_CLOSE_S)

    def __enter__(self) -> Self:
        self._task.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.close()

    def wait_for(self, count: int, limit_s: float) -> None:
        """Return once a sample has reached `count`, or after `limit_s`. The load is over, so samples need no rest."""
        self._rest = 0
        self._task.wake()
        with self._sampled:
            self._sampled.wait_for(lambda: self.samples.highest >= count, limit_s)

    def _sample(self) -> float:
        began = time.monotonic()
        try:
            count = self._read()
        except LikewiseError as error:
            self.samples.add_failure(str(error))
        else:
            self.samples.add(time.monotonic(), count)
        with self._sampled:
            self._sampled.notify_all()
        took = time.monotonic() - began
        return max(INTERVAL_S - took, self._rest * took)
