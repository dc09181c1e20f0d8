"""The visit of each request: who may enter at all, and what the answer hands back. CORS is decided here."""

from collections.abc import Sequence

from flask import Flask, Response, g, request

from service.auth.identity import ACTOR_HEADER, NONCE_HEADER, Viewers, Visit
from service.auth.origins import OWN
from service.auth.visitor_token import HEADER
from service.core.likes import Likes, LikeState

VISIT, ERROR = "likewise.visit", "likewise.error"  # in the environ: what the hot path found out already
_EXPOSED = f"{HEADER}, ETag, RateLimit, RateLimit-Policy, Retry-After"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, {NONCE_HEADER}, {HEADER}, {ACTOR_HEADER}",
    "Access-Control-Max-Age": "7200",  # the longest that every browser keeps one
    "Cache-Control": "no-store",
}


def visit() -> Visit:
    """Who is behind the present request."""
    return g.visit  # type: ignore[no-any-return]


def viewers_states(likes: Likes, posts: Sequence[str]) -> list[LikeState]:
    """How posts stand to the present viewer; where nobody is known, to nobody, and then from the cache of counts."""
    actor = visit().known()
    return likes.states(posts, actor) if actor else likes.counts(posts)


def receive_visits(app: Flask, viewers: Viewers) -> None:
    """Turn away what foreign pages wish, answer preflights, and hand tokens back with each answer."""

    def arrive() -> Response | None:
        g.visit = request.environ.get(VISIT) or viewers.arrive(request.environ)
        if error := request.environ.get(ERROR):
            raise error
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204, headers=_PREFLIGHT) if asked and viewers.sites.trusts(visit().site) else None

    def leave(response: Response) -> Response:
        if "visit" in g:
            for name, value in visit().hand_back():
                response.headers.add(name, value)
        return _with_cors(response, viewers)

    app.before_request(arrive)
    app.after_request(leave)


def cors_headers(viewers: Viewers, origin: str) -> list[tuple[str, str]]:
    """What lets a page of this origin read the answer; nothing where we don't trust it."""
    if not viewers.sites.trusts(origin):
        return []
    return [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _EXPOSED)]


def _with_cors(response: Response, viewers: Viewers) -> Response:
    if not viewers.sites:
        return response
    if "Access-Control-Allow-Origin" not in response.headers:
        response.headers.update(cors_headers(viewers, request.headers.get("Origin", OWN)))
    if response.headers.get("Cache-Control") != "no-store":
        response.vary.add("Origin")
    return response
