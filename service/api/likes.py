"""`/v1/posts/{post}/like`: the viewer's like, made, taken back or asked for."""

from flask import Response
from flask.views import MethodView

from service.api import answers
from service.api.metrics import count_wish
from service.likes import Likes, valid_id
from service.security.viewer import Visitors


class LikeView(MethodView):
    """One like of one viewer. Saying the same again changes nothing."""

    init_every_request = False

    def __init__(self, likes: Likes, visitors: Visitors) -> None:
        self._likes = likes
        self._visitors = visitors

    def put(self, post: str) -> Response:
        """Like: 201 where it is new, 200 where it was there."""
        valid_id(post, "post")  # before a visitor is minted for nothing
        standing = count_wish(self._likes.like(post, self._visitors.known_or_new()))
        return answers.of_viewer(standing, 201 if standing.changed else 200)

    def delete(self, post: str) -> Response:
        """Take a like back; a stranger has none to take."""
        actor = self._visitors.known()
        if actor is None:
            return self.get(post)
        return answers.of_viewer(count_wish(self._likes.unlike(post, actor)))

    def get(self, post: str) -> Response:
        """The viewer's own state and the count."""
        actor = self._visitors.known()
        standing = self._likes.standing(post, actor) if actor else self._likes.counts([post])[0]
        return answers.of_viewer(standing)
