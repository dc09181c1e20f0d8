"""Count and time the requests of the event loop. The metrics are published several times a second."""

import time
from collections.abc import Callable

from service.api.http.metrics import LIKES_BY_CHANGE
from service.api.http.request_log import SlowRequestLog
from service.api.loop.ports import Exchange
from service.core.likes import LikeState
from service.observability.batched_metrics import BatchedCounter, BatchedHistogram
from service.observability.logging import enter_request, leave_request
from service.observability.metrics import REQUEST_DURATION_SECONDS


class LoopMetrics:
    """The metrics of a worker's loop, and the log of its slow requests.

    trusts: returns whether the peer at an address may set the id of a request, for the log.
    """

    def __init__(self, request_log: SlowRequestLog, trusts: Callable[[str], bool]) -> None:
        self._request_log = request_log
        self._trusts = trusts
        self._like_s = BatchedHistogram(REQUEST_DURATION_SECONDS.labels("like"))
        self._count_s = BatchedHistogram(REQUEST_DURATION_SECONDS.labels("count"))
        self._likes = {change: BatchedCounter(counter) for change, counter in LIKES_BY_CHANGE.items()}

    def observe_like(self, exchange: Exchange, state: LikeState, status: str) -> None:
        """Count a like or an unlike that is about to be answered."""
        self._likes[state.liked, state.changed].unpublished += 1
        self._like_s.observe(self._log_if_slow(exchange, status))

    def observe_count(self, exchange: Exchange) -> None:
        """Count a read that is about to be answered."""
        self._count_s.observe(self._log_if_slow(exchange, "200"))

    def publish(self) -> None:
        """Add what was counted to the metrics."""
        self._like_s.publish()
        self._count_s.publish()
        for likes in self._likes.values():
            likes.publish()

    def _log_if_slow(self, exchange: Exchange, status: str) -> float:
        """Return the seconds since the request was read."""
        seconds = time.perf_counter() - exchange.began
        if seconds >= self._request_log.slow_s:
            environ = exchange.wsgi_environ()
            enter_request(environ, self._trusts)
            self._request_log.write(environ, int(status[:3]), seconds)
            leave_request()
        return seconds
