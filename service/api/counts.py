"""Counts of posts: `/v1/posts/{post}/count` and `/v1/counts`. They are the same for everyone, and cacheable."""

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
        """Return the count. It is 0 for a post without likes."""
        return responses.count_response(self._likes.counts([post])[0])


class CountsView(MethodView):
    """The counts of several posts in one response."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """Return the counts of `?post=a&post=b`, 1 to 100 posts, in that order."""
        return responses.counts_response(self._likes.counts(request.args.getlist("post")))
