"""The HTTP API: parse, ask `service.core.likes`, serialise. One module a resource."""

from flask import Flask

from service.api import demo, forms
from service.api.assets import like_button
from service.api.counts import CountsView, CountView
from service.api.fast_path import HotPath
from service.api.health import ReadyView, livez
from service.api.http import metrics
from service.api.http.problems import answer_problems
from service.api.http.request_body import READ_BYTES, read_body
from service.api.http.request_context import receive_visits
from service.api.http.request_log import UnusualRequests
from service.api.http.routing import keep_paths
from service.api.legacy import SlugView, ToggleView
from service.api.likes import LikesView, LikeView
from service.api.openapi import openapi
from service.auth.csrf import Forms
from service.auth.identity import Viewers
from service.core.likes import Likes
from service.core.readiness import Readiness
from service.settings import Settings


def register(app: Flask, *, likes: Likes, viewers: Viewers, readiness: Readiness, settings: Settings) -> HotPath:
    """Give the app every route of the API and its errors. Return the fast path."""
    app.config["MAX_CONTENT_LENGTH"] = READ_BYTES
    keep_paths(app)
    unusual = UnusualRequests(settings.slow_ms)
    hot_path = HotPath(app.wsgi_app, likes, viewers, unusual)
    app.wsgi_app = hot_path  # type: ignore[method-assign]
    answer_problems(app)
    app.before_request(metrics.start_clock)
    app.before_request(read_body)
    app.after_request(metrics.observe)
    app.after_request(unusual.after)
    receive_visits(app, viewers)
    _add_routes(app, likes, readiness)
    tokens = Forms(settings)
    forms.add_routes(app, likes, tokens, viewers.sites)
    if settings.demo:
        demo.add_routes(app, likes, tokens)
    return hot_path


def _add_routes(app: Flask, likes: Likes, readiness: Readiness) -> None:
    add = app.add_url_rule
    add("/v1/posts/<post:post>/like", view_func=LikeView.as_view("like", likes))
    add("/v1/likes", view_func=LikesView.as_view("likes", likes))
    add("/v1/posts/<post:post>/count", view_func=CountView.as_view("count", likes))
    add("/v1/counts", view_func=CountsView.as_view("counts", likes))
    add("/api/like/<post:post>", view_func=ToggleView.as_view("toggle", likes))
    add("/api/likes", view_func=SlugView.as_view("slug", likes))
    add("/livez", view_func=livez)
    add("/readyz", view_func=ReadyView.as_view("readyz", readiness))
    add("/openapi.json", view_func=openapi)
    add("/like-button.js", view_func=like_button)
