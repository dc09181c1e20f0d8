"""A line in the log for each request that failed here or was slow. The usual ones have none: NGINX's log has them."""

import math
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from flask import Response, g, request

log = structlog.get_logger(__name__)
PER_SECOND = 10  # a process' lines: with a server away, thousands of requests fail alike
PATH_CHARS = 300


class UnusualRequests:
    """Notes requests that took `slow_ms` or longer, or were answered with 5xx; 0: none."""

    def __init__(self, slow_ms: int) -> None:
        self.slow_s = slow_ms / 1000 or math.inf
        self._fails = bool(slow_ms)
        self._second = self._said = self._unsaid = 0

    def note(self, environ: MutableMapping[str, Any], status: int, seconds: float, reason: str = "") -> None:
        """A request that was slow or failed; past the limit of lines it is only counted, and the next line says so."""
        if not self._may_speak():
            self._unsaid += 1
            return
        more = {"reason": reason} if reason else {}
        if self._unsaid:
            more["unsaid"], self._unsaid = str(self._unsaid), 0
        log.warning(
            "request failed" if status >= 500 else "request slow",
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO", "")[:PATH_CHARS],  # a query may hold what is nobody's business
            status=status,
            seconds=round(seconds, 4),
            **more,
        )

    def after(self, response: Response) -> Response:
        """Note what Flask answered, if it is unusual; a pod that is not ready says why by itself."""
        if request.endpoint == "readyz":
            return response
        seconds = time.perf_counter() - g.began if "began" in g else 0.0
        if seconds >= self.slow_s or (response.status_code >= 500 and self._fails):
            self.note(request.environ, response.status_code, seconds, g.get("reason", ""))
        return response

    def _may_speak(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._said = second, 0
        self._said += 1
        return self._said <= PER_SECOND
