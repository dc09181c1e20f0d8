"""`/v1/posts/{post}/count` and `/v1/counts`: the same for everyone, so caches may keep them for a second."""

from flask import Response, request
from flask.views import MethodView

from service.api.http import responses
from service.core.likes import Likes


class CountView(MethodView):
    """The count of one post."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self, post: str) -> Response:
        """The count; 0 for a post nobody liked."""
        return responses.of_count(self._likes.counts([post])[0])


class CountsView(MethodView):
    """The counts of a page of posts in one answer."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """`?post=a&post=b`, 1 to 100; answered in that order."""
        return responses.of_counts(self._likes.counts(request.args.getlist("post")))
