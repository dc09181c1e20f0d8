"""Group commit: calls that wait at the same moment run as one batch, as soon as the batch before has returned."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class _Waiter(Generic[T]):
    __slots__ = ("done", "items", "turn")

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.turn = Lock()
        self.turn.acquire()
        self.done = False


class Coalescer(Generic[T]):
    """Calls `run(items)` for one batch at a time. The first caller leads the batch; there is no extra thread.

    `run` stores each outcome in its item and raises nothing. A batch joins at most `max_calls` calls. The class works
    with threads and, under gevent, with greenlets.
    """

    def __init__(self, run: Callable[[list[T]], None], *, max_calls: int = 512) -> None:
        self._run = run
        self._max_calls = max_calls
        self._mutex = Lock()
        self._busy = False
        self._waiting: list[_Waiter[T]] = []

    def submit(self, items: Sequence[T]) -> None:
        """Return when a batch with `items` has run."""
        waiter = _Waiter(items)
        with self._mutex:
            leads = not self._busy
            self._busy = True
            if not leads:
                self._waiting.append(waiter)
        if not leads:
            waiter.turn.acquire()
        if not waiter.done:
            self._lead(waiter)

    def _lead(self, leader: _Waiter[T]) -> None:
        followers: list[_Waiter[T]] = []
        try:
            # Let other callers that are ready join. Otherwise the first batch would hold a single call.
            time.sleep(0)
            with self._mutex:
                followers = self._waiting[: self._max_calls - 1]
                self._waiting = self._waiting[self._max_calls - 1 :]
            self._run([item for waiter in (leader, *followers) for item in waiter.items])
        finally:
            leader.done = True
            for waiter in followers:
                waiter.done = True
                waiter.turn.release()
            self._hand_over()

    def _hand_over(self) -> None:
        with self._mutex:
            next_leader = self._waiting.pop(0) if self._waiting else None
            self._busy = next_leader is not None
        if next_leader:
            next_leader.turn.release()
