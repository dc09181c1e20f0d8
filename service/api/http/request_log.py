"""Log each request that failed or was slow. Other requests are not logged: the metrics count them."""

import math
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from flask import Response, g, request

log = structlog.get_logger(__name__)
# Lines of one process. While a server is unavailable, thousands of requests fail alike.
PER_SECOND = 10
PATH_CHARS = 300


class SlowRequestLog:
    """Logs requests that took `slow_request_ms` or longer, or were answered with 5xx. 0: logs none."""

    def __init__(self, slow_request_ms: int) -> None:
        self.slow_s = slow_request_ms / 1000 or math.inf
        self._logs_failures = bool(slow_request_ms)
        self._second = self._lines = self._suppressed = 0

    def write(self, environ: MutableMapping[str, Any], status: int, seconds: float, reason: str = "") -> None:
        """Write a line. Past the limit of lines, only count it; the next line has the number of suppressed ones."""
        if not self._has_room():
            self._suppressed += 1
            return
        more = {"reason": reason} if reason else {}
        if self._suppressed:
            more["suppressed"], self._suppressed = str(self._suppressed), 0
        log.warning(
            "request failed" if status >= 500 else "request slow",
            method=environ["REQUEST_METHOD"],
            # Without the query, which may hold personal data.
            path=environ.get("PATH_INFO", "")[:PATH_CHARS],
            status=status,
            seconds=round(seconds, 4),
            **more,
        )

    def after_request(self, response: Response) -> Response:
        """Log a response of Flask if it was slow or failed. Readiness has log lines of its own."""
        if request.endpoint == "readyz":
            return response
        seconds = time.perf_counter() - g.began if "began" in g else 0.0
        if seconds >= self.slow_s or (response.status_code >= 500 and self._logs_failures):
            self.write(request.environ, response.status_code, seconds, g.get("reason", ""))
        return response

    def _has_room(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= PER_SECOND
