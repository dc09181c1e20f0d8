"""The HTTP API: parse, ask `service.likes`, serialise. One module a resource."""

from flask import Flask

from service.api import metrics
from service.api.bodies import READ_BYTES, read_body
from service.api.counts import CountsView, CountView
from service.api.health import ReadyView, livez
from service.api.likes import LikeView
from service.api.older import SlugView, ToggleView
from service.api.openapi import openapi
from service.api.paths import keep_paths
from service.api.problems import answer_problems
from service.likes import Likes
from service.security.viewer import Visitors
from service.settings import Settings


def register(app: Flask, *, likes: Likes, settings: Settings) -> None:
    """Give the app every route of the API and its errors. ConfigurationError where the settings can't work."""
    visitors = Visitors(settings)
    app.config["MAX_CONTENT_LENGTH"] = READ_BYTES
    keep_paths(app)
    answer_problems(app)
    app.before_request(metrics.start_clock)
    app.before_request(read_body)
    app.after_request(metrics.observe)
    app.after_request(visitors.hand_back)
    _add_routes(app, likes, visitors, settings)


def _add_routes(app: Flask, likes: Likes, visitors: Visitors, settings: Settings) -> None:
    add = app.add_url_rule
    add("/v1/posts/<post:post>/like", view_func=LikeView.as_view("like", likes, visitors))
    add("/v1/posts/<post:post>/count", view_func=CountView.as_view("count", likes))
    add("/v1/counts", view_func=CountsView.as_view("counts", likes))
    add("/api/like/<post:post>", view_func=ToggleView.as_view("toggle", likes, visitors))
    add("/api/likes", view_func=SlugView.as_view("slug", likes, visitors, settings.seed_key))
    add("/livez", view_func=livez)
    add("/readyz", view_func=ReadyView.as_view("readyz", likes))
    add("/openapi.json", view_func=openapi)
