"""Keep the identity of each request. Refuse foreign origins, answer CORS preflights, and send tokens back."""

from collections.abc import Sequence

from flask import Flask, Response, g, request

from service.auth.identity import ACTOR_HEADER, Authenticator, RequestIdentity
from service.auth.origins import OWN_ORIGIN
from service.auth.visitor_token import NONCE_HEADER, VISITOR_HEADER
from service.core.likes import Likes, LikeState
from service.observability.logging import enter_request

# Keys of the environ: the identity and the error of a request that the event loop began and left to Flask.
IDENTITY, ERROR = "likewise.identity", "likewise.error"
_EXPOSED = f"{VISITOR_HEADER}, ETag, RateLimit, RateLimit-Policy, Retry-After"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, {NONCE_HEADER}, {VISITOR_HEADER}, {ACTOR_HEADER}",
    # Two hours, the longest time that every browser keeps a preflight.
    "Access-Control-Max-Age": "7200",
    "Cache-Control": "no-store",
}


def request_identity() -> RequestIdentity:
    """Return the identity of the current request."""
    return g.identity  # type: ignore[no-any-return]


def like_states(likes: Likes, posts: Sequence[str]) -> list[LikeState]:
    """Return the actor's likes of posts. Without an actor, return cached counts."""
    actor = request_identity().actor()
    return likes.states(posts, actor) if actor else likes.counts(posts)


def register_identity(app: Flask, authenticator: Authenticator) -> None:
    """Make the app identify each request first, and add identity and CORS headers to each response."""

    def identify() -> Response | None:
        enter_request(request.environ, authenticator.clients.is_trusted_proxy)
        g.identity = request.environ.get(IDENTITY) or authenticator.identify(request.environ)
        if error := request.environ.get(ERROR):
            raise error
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if is_preflight and authenticator.origins.is_allowed(request_identity().origin):
            return Response(status=204, headers=_PREFLIGHT)
        return None

    def add_headers(response: Response) -> Response:
        if "identity" in g:
            for name, value in request_identity().response_headers():
                response.headers.add(name, value)
        return _with_cors(response, authenticator)

    app.before_request(identify)
    app.after_request(add_headers)


def cors_headers(authenticator: Authenticator, origin: str) -> list[tuple[str, str]]:
    """Return the headers that let a page of this origin read the response. Empty if the origin is not allowed."""
    if not authenticator.origins.is_allowed(origin):
        return []
    return [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _EXPOSED)]


def _with_cors(response: Response, authenticator: Authenticator) -> Response:
    if not authenticator.origins:
        return response
    if "Access-Control-Allow-Origin" not in response.headers:
        response.headers.update(cors_headers(authenticator, request.headers.get("Origin", OWN_ORIGIN)))
    if response.headers.get("Cache-Control") != "no-store":
        response.vary.add("Origin")
    return response
