"""What the API counts. Children are bound once, so counting on the hot path is one addition."""

import os
import time

from flask import Response, g, request
from prometheus_client import Counter, Histogram, values

from service.likes import Standing

_process = os.getpid()


def _remember_process() -> None:
    global _process
    _process = os.getpid()


if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # The library asks the kernel at each count whether it was forked; that is a tenth of a like.
    os.register_at_fork(after_in_child=_remember_process)
    values.ValueClass = values.MultiProcessValue(lambda: _process)  # type: ignore[no-untyped-call]

LIKES = Counter("likewise_likes_total", "Likes and unlikes answered, by what they changed.", ["result"])
ANSWER_SECONDS = Histogram(
    "likewise_answer_seconds",
    "From the request's headers read to its answer made, by route.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
PROBLEMS = Counter("likewise_problems_total", "Requests answered with a problem, by status.", ["status"])

_NEW = {True: LIKES.labels("liked"), False: LIKES.labels("unliked")}
_LIKE_SECONDS, _COUNT_SECONDS = ANSWER_SECONDS.labels("like"), ANSWER_SECONDS.labels("count")
_SAME = {True: LIKES.labels("already_liked"), False: LIKES.labels("not_liked")}


def count_wish(standing: Standing) -> Standing:
    """Count a like or an unlike by what it changed, and hand it on."""
    (_NEW if standing.changed else _SAME)[standing.liked].inc()
    return standing


def observe_hot(is_read: bool, seconds: float) -> None:
    """Note how long the hot path took."""
    (_COUNT_SECONDS if is_read else _LIKE_SECONDS).observe(seconds)


def start_clock() -> None:
    """Note when the request began."""
    g.began = time.perf_counter()


def observe(response: Response) -> Response:
    """Note how long the answer took; unknown paths share one label, or a scanner makes the metrics grow."""
    route = request.endpoint or "none"
    if "began" in g:
        ANSWER_SECONDS.labels(route).observe(time.perf_counter() - g.began)
    if response.status_code >= 400:
        PROBLEMS.labels(str(response.status_code)).inc()
    return response
