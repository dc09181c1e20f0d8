"""Count likes by what they changed, responses by route and duration, and problems by status."""

import time

from flask import Response, g, request

from service.core.likes import LikeState
from service.observability.metrics import LIKES, PROBLEMS, REQUEST_DURATION_SECONDS

# Key of the environ: the time at which the fast path began a request that it left to Flask.
BEGAN = "likewise.began"
_NEW = {True: LIKES.labels("liked"), False: LIKES.labels("unliked")}
_SAME = {True: LIKES.labels("already_liked"), False: LIKES.labels("not_liked")}
_LIKE_SECONDS, _COUNT_SECONDS = REQUEST_DURATION_SECONDS.labels("like"), REQUEST_DURATION_SECONDS.labels("count")


def count_like_request(state: LikeState) -> LikeState:
    """Count a like or an unlike by what it changed, and return it."""
    (_NEW if state.changed else _SAME)[state.liked].inc()
    return state


def observe_fast_path(is_read: bool, seconds: float) -> None:
    """Record the duration of a request on the fast path."""
    (_COUNT_SECONDS if is_read else _LIKE_SECONDS).observe(seconds)


def start_clock() -> None:
    """Record when the request began."""
    g.began = request.environ.get(BEGAN) or time.perf_counter()


def observe(response: Response) -> Response:
    """Record the duration of a request, and count problems.

    Unknown paths share one label, so that a scanner does not add time series.
    """
    route = request.endpoint or "none"
    if "began" in g:
        REQUEST_DURATION_SECONDS.labels(route).observe(time.perf_counter() - g.began)
    if response.status_code >= 400 and route != "readyz":
        # A pod that is not ready is not a client's problem.
        PROBLEMS.labels(str(response.status_code)).inc()
    return response
