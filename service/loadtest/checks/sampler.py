"""Looks at one number again and again while likes are sent: what another reader sees, or how many rows there are."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from service.errors import LikewiseError
from service.loadtest.checks.freshness import Looks

EVERY_S = 0.1


class Watch:
    """A thread of its own, from entering to leaving. A look that fails is counted and changes nothing else.

    `rest`: after a look, so many times what it took, at least.
    """

    def __init__(self, name: str, look: Callable[[], int], rest: float = 0) -> None:
        self.looks = Looks()
        self._look = look
        self._rest = rest
        self._news = threading.Condition()
        self._stopped = False
        # A daemon: a second Ctrl-C must not wait for a look at something that hangs.
        self._thread = threading.Thread(target=self._run, name=f"drill-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()
        if kind is None:
            self._thread.join()

    def wait_for(self, count: int, limit_s: float) -> None:
        """Return once so many were seen, or at the limit."""
        with self._news:
            self._rest = 0  # the load is over
            self._news.notify_all()
            self._news.wait_for(lambda: self.looks.most >= count, limit_s)

    def _run(self) -> None:
        while not self._stopped:
            began = time.monotonic()
            self._take()
            took = time.monotonic() - began
            with self._news:
                self._news.notify_all()
                if not self._stopped:
                    self._news.wait(max(EVERY_S - took, self._rest * took))

    def _take(self) -> None:
        try:
            count = self._look()
        except LikewiseError as error:
            self.looks.fail(str(error))
        else:
            self.looks.add(time.monotonic(), count)
