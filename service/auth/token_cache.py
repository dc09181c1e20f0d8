"""Cache the actors of tokens that were verified a moment ago."""

import threading
from collections import OrderedDict
from time import monotonic


class TokenCache:
    """Actors by the SHA-256 of their tokens. Holds `max_size` entries; the least recently used one is evicted."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._actors: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> str | None:
        """Return the actor. None if there is none, or if it has expired."""
        with self._lock:
            actor, until = self._actors.pop(digest, ("", 0.0))
            if until <= monotonic():
                return None
            self._actors[digest] = (actor, until)
            return actor

    def holds(self, digest: bytes) -> bool:
        """Return whether `get` finds an actor."""
        return self._actors.get(digest, ("", 0.0))[1] > monotonic()

    def put(self, digest: bytes, actor: str, ttl_s: float) -> None:
        """Keep an actor for `ttl_s` seconds of the monotonic clock."""
        with self._lock:
            self._actors[digest] = (actor, monotonic() + ttl_s)
            if len(self._actors) > self._max_size:
                self._actors.popitem(last=False)
