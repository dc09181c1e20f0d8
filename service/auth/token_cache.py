"""What was verified a moment ago, so that it need not be verified again."""

import threading
from collections import OrderedDict
from time import monotonic


class Remembered:
    """Actors by the SHA-256 of their tokens, at most `most`; the longest unused goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._actors: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: bytes) -> str | None:
        """The actor; None where there is none, or no longer."""
        with self._lock:
            actor, until = self._actors.pop(name, ("", 0.0))
            if until <= monotonic():
                return None
            self._actors[name] = (actor, until)
            return actor

    def put(self, name: bytes, actor: str, for_s: float) -> None:
        """Remember an actor for so many seconds, by a clock that nobody sets back."""
        with self._lock:
            self._actors[name] = (actor, monotonic() + for_s)
            if len(self._actors) > self._most:
                self._actors.popitem(last=False)
