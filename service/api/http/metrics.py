"""Count likes by what they changed, responses by route and duration, and problems by status."""

import time

from flask import Response, g, request

from service.core.likes import LikeState
from service.observability.metrics import LIKES, PROBLEMS, REQUEST_DURATION_SECONDS

# Key of the environ: the time at which the event loop read a request that it left to Flask.
BEGAN = "likewise.began"
# By (liked, changed).
LIKES_BY_CHANGE = {
    (True, True): LIKES.labels("liked"),
    (False, True): LIKES.labels("unliked"),
    (True, False): LIKES.labels("already_liked"),
    (False, False): LIKES.labels("not_liked"),
}


def count_like_request(state: LikeState) -> LikeState:
    """Count a like or an unlike by what it changed, and return it."""
    LIKES_BY_CHANGE[state.liked, state.changed].inc()
    return state


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
