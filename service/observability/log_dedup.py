"""What keeps failing for the same reason is said once every ten seconds, with how often it was meant to be said."""

import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

EVERY_S = 10.0
_MOST = 1_000  # kinds that are remembered: reasons with numbers in them must not grow a process


class LogDeduplicator:
    """A processor of structlog: of warnings with the same event and reason it drops all but one in ten seconds.

    What has a request's id is of that request, and is left alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[object, object], tuple[float, int]] = {}

    def __call__(self, _: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event, with `repeats` where some were dropped since the last one. Raises DropEvent."""
        if method != "warning" or "reason" not in event or "request_id" in event:
            return event
        kind, now = (event["event"], event["reason"]), self._clock()
        said_at, dropped = self._kinds.get(kind, (float("-inf"), 0))
        if now < said_at + EVERY_S:
            self._kinds[kind] = (said_at, dropped + 1)
            raise structlog.DropEvent
        if len(self._kinds) >= _MOST:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        return {**event, "repeats": dropped} if dropped else event
