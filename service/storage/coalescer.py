"""Calls that wait at the same moment leave as one batch: the next goes as soon as the one before came back."""

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
    """Runs `run(items)` for one batch at a time. Its first caller leads; there is no thread of its own.

    `run` notes each outcome in its item and raises nothing. Works with threads and, patched, with greenlets.
    """

    def __init__(self, run: Callable[[list[T]], None], *, most: int = 512) -> None:
        self._run = run
        self._most = most
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
            time.sleep(0)  # who is ready at this moment comes along: the first would go alone, and all others after it
            with self._mutex:
                followers, self._waiting = self._waiting[: self._most - 1], self._waiting[self._most - 1 :]
            self._run([item for waiter in (leader, *followers) for item in waiter.items])
        finally:
            leader.done = True
            for waiter in followers:
                waiter.done = True
                waiter.turn.release()
            self._hand_over()

    def _hand_over(self) -> None:
        with self._mutex:
            following = self._waiting.pop(0) if self._waiting else None
            self._busy = following is not None
        if following:
            following.turn.release()
