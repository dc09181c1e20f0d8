"""Likes of the actor: `/v1/posts/{post}/like` makes, takes back or reads one; `/v1/likes` reads several."""

from flask import Response, request
from flask.views import MethodView

from service.api.http import responses
from service.api.http.metrics import count_like_request
from service.api.http.request_context import like_states, request_identity
from service.core.likes import Likes, validate_id


class LikeView(MethodView):
    """One like of one actor. Each method is idempotent."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def put(self, post: str) -> Response:
        """Like the post. Answer 201 if the like is new, else 200."""
        # A bad id must not make a visitor, so it is checked first.
        post_id = validate_id(post, "post")
        state = count_like_request(self._likes.like(post_id, request_identity().authorize_like()))
        return responses.like_response(state, 201 if state.changed else 200)

    def delete(self, post: str) -> Response:
        """Take the like back. An unknown visitor has none, and gets the current state."""
        post_id = validate_id(post, "post")
        actor = request_identity().authorize_unlike()
        if actor is None:
            return self.get(post)
        return responses.like_response(count_like_request(self._likes.unlike(post_id, actor)))

    def get(self, post: str) -> Response:
        """Return the actor's own state and the count."""
        return responses.like_response(like_states(self._likes, [post])[0])


class LikesView(MethodView):
    """The actor's likes of several posts in one response."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """Return the likes of `?post=a&post=b`, 1 to 100 posts, in that order."""
        return responses.likes_response(like_states(self._likes, request.args.getlist("post")))
