"""Serve the demo: a small blog at `/`, written as a site's own server would write it. Off in production."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, abort
from flask.views import MethodView

from service.api.forms import page
from service.api.http.number_format import ENGLISH, display
from service.api.http.request_context import like_states, request_identity
from service.auth.csrf import CsrfTokens
from service.core.likes import Likes, LikeState
from service.errors import LikewiseError

_POSTS = Path(__file__).parent.parent / "templates" / "demo" / "posts.json"


@dataclass(frozen=True, slots=True)
class Post:
    """A post of the blog."""

    slug: str
    title: str
    date: str
    summary: str
    paragraphs: tuple[str, ...]

    @property
    def id(self) -> str:
        """The post's id at Likewise."""
        return f"demo/{self.slug}"


def add_routes(app: Flask, likes: Likes, csrf_tokens: CsrfTokens) -> None:
    """Register the routes of the blog."""
    app.add_url_rule("/", view_func=ListingView.as_view("demo", likes, csrf_tokens))
    app.add_url_rule("/blog/<slug>", view_func=PostView.as_view("demo_post", likes, csrf_tokens))
    app.jinja_env.filters["compact"] = lambda count: display(count, ENGLISH)


@lru_cache(maxsize=1)
def posts() -> tuple[Post, ...]:
    """Return the blog's posts, newest first."""
    return tuple(Post(**{**post, "paragraphs": tuple(post["paragraphs"])}) for post in json.loads(_POSTS.read_text()))


class _BlogView(MethodView):
    init_every_request = False

    def __init__(self, likes: Likes, csrf_tokens: CsrfTokens) -> None:
        self._likes = likes
        self._csrf_tokens = csrf_tokens

    def _states(self, shown: tuple[Post, ...]) -> dict[str, LikeState]:
        """Return the likes of the posts. Empty if a store is unavailable: the blog works without its counts."""
        ids = [post.id for post in shown]
        try:
            return {state.post: state for state in like_states(self._likes, ids)}
        except LikewiseError:
            return {}

    def _csrf_token(self) -> str:
        return self._csrf_tokens.issue(request_identity())


class ListingView(_BlogView):
    """`/`: every post with its heart."""

    def get(self) -> Response:
        """Return the page."""
        csrf = self._csrf_token()
        return page("demo/listing.html", posts=posts(), states=self._states(posts()), csrf=csrf)


class PostView(_BlogView):
    """`/blog/{slug}`: one post, with a heart that updates itself."""

    def get(self, slug: str) -> Response:
        """Return the page, or 404."""
        post = next((post for post in posts() if post.slug == slug), None)
        if post is None:
            abort(404)
        csrf = self._csrf_token()
        return page("demo/post.html", post=post, states=self._states((post,)), csrf=csrf)
