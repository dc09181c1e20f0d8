"""When the API counts what: likes by what they changed, answers by their route and time, problems by status."""

import time

from flask import Response, g, request

from service.core.likes import LikeState
from service.observability.metrics import LIKES, PROBLEMS, REQUEST_DURATION_SECONDS

BEGAN = "likewise.began"  # in the environ: when the hot path began on what it then left to Flask
_NEW = {True: LIKES.labels("liked"), False: LIKES.labels("unliked")}
_SAME = {True: LIKES.labels("already_liked"), False: LIKES.labels("not_liked")}
_LIKE_SECONDS, _COUNT_SECONDS = REQUEST_DURATION_SECONDS.labels("like"), REQUEST_DURATION_SECONDS.labels("count")


def count_like_request(state: LikeState) -> LikeState:
    """Count a like or an unlike by what it changed, and hand it on."""
    (_NEW if state.changed else _SAME)[state.liked].inc()
    return state


def observe_hot(is_read: bool, seconds: float) -> None:
    """Note how long the hot path took."""
    (_COUNT_SECONDS if is_read else _LIKE_SECONDS).observe(seconds)


def start_clock() -> None:
    """Note when the request began."""
    g.began = request.environ.get(BEGAN) or time.perf_counter()


def observe(response: Response) -> Response:
    """Note how long the answer took; unknown paths share one label, or a scanner makes the metrics grow."""
    route = request.endpoint or "none"
    if "began" in g:
        REQUEST_DURATION_SECONDS.labels(route).observe(time.perf_counter() - g.began)
    if response.status_code >= 400 and route != "readyz":  # a pod that is not ready is no reader's problem
        PROBLEMS.labels(str(response.status_code)).inc()
    return response
