"""Deduplication of log lines: a repeated warning is written once every ten seconds."""

import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

EVERY_S = 10.0
# Reasons may contain numbers, so the memory must have a bound.
_MAX_REMEMBERED = 1_000


class LogDeduplicator:
    """A structlog processor that drops all but one in ten seconds of the warnings with the same event and reason.

    Lines about a request, which have a request id, are never dropped.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._remembered: dict[tuple[object, object], tuple[float, int]] = {}

    def __call__(self, _: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the event, with the number of dropped `repeats` if there are any. Raises DropEvent."""
        if method != "warning" or "reason" not in event or "request_id" in event:
            return event
        key, now = (event["event"], event["reason"]), self._clock()
        logged_at, dropped = self._remembered.get(key, (float("-inf"), 0))
        if now < logged_at + EVERY_S:
            self._remembered[key] = (logged_at, dropped + 1)
            raise structlog.DropEvent
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (now, 0)
        return {**event, "repeats": dropped} if dropped else event
