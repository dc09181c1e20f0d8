"""The viewer's likes: `/v1/posts/{post}/like` makes, takes back or asks for one, `/v1/likes` asks for a page."""

from flask import Response, request
from flask.views import MethodView

from service.api.http import responses
from service.api.http.metrics import count_like_request
from service.api.http.request_context import viewers_states, visit
from service.core.likes import Likes, valid_id


class LikeView(MethodView):
    """One like of one viewer. Saying the same again changes nothing."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def put(self, post: str) -> Response:
        """Like: 201 where it is new, 200 where it was there."""
        valid_id(post, "post")  # before a visitor is minted for nothing
        state = count_like_request(self._likes.like(post, visit().liking()))
        return responses.of_viewer(state, 201 if state.changed else 200)

    def delete(self, post: str) -> Response:
        """Take a like back; a stranger has none to take."""
        valid_id(post, "post")
        actor = visit().unliking()
        if actor is None:
            return self.get(post)
        return responses.of_viewer(count_like_request(self._likes.unlike(post, actor)))

    def get(self, post: str) -> Response:
        """The viewer's own state and the count."""
        return responses.of_viewer(viewers_states(self._likes, [post])[0])


class LikesView(MethodView):
    """The viewer's likes of a page of posts in one answer."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """`?post=a&post=b`, 1 to 100; answered in that order."""
        return responses.of_viewers(viewers_states(self._likes, request.args.getlist("post")))
