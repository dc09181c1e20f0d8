"""The two older shapes, `/api/like/{post}` and `/api/likes`, kept so that existing buttons work."""

from flask import Response, request
from flask.views import MethodView

from service.api.http import responses
from service.api.http.metrics import count_like_request
from service.api.http.request_body import is_like, json_object, text_of
from service.api.http.request_context import viewers_states, visit
from service.core.likes import Likes, LikeState, valid_id
from service.errors import InvalidInputError

MAX_SEED = 2**53 - 1  # JavaScript counts exactly up to here


class ToggleView(MethodView):
    """`POST /api/like/{post}`: a click turns the viewer's like over."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def post(self, post: str) -> Response:
        """Read the standing, wish the opposite: sent on as like or unlike, so a repeat inside changes nothing."""
        valid_id(post, "post")
        actor = visit().unliking()
        if actor and self._likes.state(post, actor).liked:
            return _with_likes(count_like_request(self._likes.unlike(post, actor)))
        return _with_likes(count_like_request(self._likes.like(post, visit().liking())))


class SlugView(MethodView):
    """`/api/likes`: by slug, with a first count from a server whose key has the scope `seed`."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """`?slug=`, and `&likes=` to start the count at."""
        slug = valid_id(request.args.get("slug", ""), "slug")
        self._seed(slug, _from_query(request.args.get("likes")))
        return self._read(slug)

    def post(self) -> Response:
        """`{slug, action: like|unlike}`, and `likes` to start the count at."""
        body = json_object()
        slug, likes = valid_id(text_of(body, "slug"), "slug"), is_like(text_of(body, "action"))
        self._seed(slug, _from_body(body.get("likes")))
        return self._like(slug) if likes else self._unlike(slug)

    def _like(self, slug: str) -> Response:
        return _with_likes(count_like_request(self._likes.like(slug, visit().liking())))

    def _unlike(self, slug: str) -> Response:
        actor = visit().unliking()
        if actor is None:
            return self._read(slug)
        return _with_likes(count_like_request(self._likes.unlike(slug, actor)))

    def _read(self, slug: str) -> Response:
        return _with_likes(viewers_states(self._likes, [slug])[0])

    def _seed(self, slug: str, count: int | None) -> None:
        """Only for the key's owner; anyone else's value is passed over, as the shape always did."""
        if count is not None and visit().may("seed"):
            self._likes.seed(slug, count)


def _with_likes(state: LikeState) -> Response:
    return responses.of_viewer(state, likes=state.count)  # the name of the count in this shape


def _from_query(text: str | None) -> int | None:
    if text is None:
        return None
    return _seed_of(int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None)


def _from_body(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number: 5.0 is 5
        value = int(value)
    return _seed_of(value if isinstance(value, int) and not isinstance(value, bool) else None)


def _seed_of(count: int | None) -> int:
    if count is None or not 0 <= count <= MAX_SEED:
        raise InvalidInputError("likes", f"likes is no whole number from 0 to {MAX_SEED}")
    return count
