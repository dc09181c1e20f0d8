"""Serve the two legacy routes, `/api/like/{post}` and `/api/likes`, so that existing buttons work."""

from flask import Response, request
from flask.views import MethodView

from service.api.http.metrics import count_like_request
from service.api.http.request_body import is_like, json_object, text_of
from service.api.http.request_context import like_states, request_identity
from service.api.http.responses import legacy_like_response
from service.core.likes import Likes, ValidId, validate_id
from service.errors import InvalidInputError

# The largest whole number that JavaScript represents exactly.
MAX_SEED = 2**53 - 1


class ToggleView(MethodView):
    """`POST /api/like/{post}`: toggle the actor's like."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def post(self, post: str) -> Response:
        """Read the actor's state, and like or unlike. A retry inside the service changes nothing."""
        post_id, identity = validate_id(post, "post"), request_identity()
        actor = identity.authorize_unlike()
        if actor and self._likes.state(post_id, actor).liked:
            return legacy_like_response(count_like_request(self._likes.unlike(post_id, actor)))
        return legacy_like_response(count_like_request(self._likes.like(post_id, identity.authorize_like())))


class SlugView(MethodView):
    """`/api/likes`: like by slug. A server whose key has the scope `seed` may set the first count."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """Return the likes of `?slug=`. `&likes=` is the first count."""
        slug = validate_id(request.args.get("slug", ""), "slug")
        self._seed(slug, _count_from_query(request.args.get("likes")))
        return self._read(slug)

    def post(self) -> Response:
        """Like or unlike: `{slug, action: like|unlike}`. `likes` is the first count."""
        body = json_object()
        slug, likes = validate_id(text_of(body, "slug"), "slug"), is_like(text_of(body, "action"))
        self._seed(slug, _count_from_body(body.get("likes")))
        return self._like(slug) if likes else self._unlike(slug)

    def _like(self, slug: ValidId) -> Response:
        return legacy_like_response(count_like_request(self._likes.like(slug, request_identity().authorize_like())))

    def _unlike(self, slug: ValidId) -> Response:
        actor = request_identity().authorize_unlike()
        if actor is None:
            return self._read(slug)
        return legacy_like_response(count_like_request(self._likes.unlike(slug, actor)))

    def _read(self, slug: ValidId) -> Response:
        return legacy_like_response(like_states(self._likes, [slug])[0])

    def _seed(self, slug: ValidId, count: int | None) -> None:
        """Set the first count if the key has the scope. Otherwise ignore the value, as this route always has."""
        if count is not None and request_identity().has_scope("seed"):
            self._likes.seed(slug, count)


def _count_from_query(text: str | None) -> int | None:
    if text is None:
        return None
    return _checked_seed(int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None)


def _count_from_body(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        # JSON has one kind of number: 5.0 is 5.
        value = int(value)
    return _checked_seed(value if isinstance(value, int) and not isinstance(value, bool) else None)


def _checked_seed(count: int | None) -> int:
    if count is None or not 0 <= count <= MAX_SEED:
        raise InvalidInputError("likes", f"likes must be a whole number from 0 to {MAX_SEED}")
    return count
