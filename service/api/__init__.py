"""The HTTP API: parse the request, call `service.core.likes`, serialize the result. One module per resource."""

from flask import Flask

from service.api import demo, forms
from service.api.assets import like_button
from service.api.counts import CountsView, CountView
from service.api.health import ReadyView, livez
from service.api.http import metrics
from service.api.http.problems import register_problems
from service.api.http.request_body import READ_BYTES, read_body
from service.api.http.request_context import register_identity
from service.api.http.request_log import SlowRequestLog
from service.api.http.routing import register_routing
from service.api.legacy import SlugView, ToggleView
from service.api.likes import LikesView, LikeView
from service.api.openapi import openapi
from service.auth.csrf import CsrfTokens
from service.auth.identity import Authenticator
from service.core.likes import Likes
from service.core.readiness import Readiness
from service.settings import Settings


def register(
    app: Flask, *, likes: Likes, authenticator: Authenticator, readiness: Readiness, settings: Settings
) -> SlowRequestLog:
    """Register every route of the API and its error handlers. Return the log of its slow requests."""
    app.config["MAX_CONTENT_LENGTH"] = READ_BYTES
    register_routing(app)
    request_log = SlowRequestLog(settings.slow_request_ms)
    register_problems(app)
    app.before_request(metrics.start_clock)
    app.before_request(read_body)
    app.after_request(metrics.observe)
    app.after_request(request_log.after_request)
    register_identity(app, authenticator)
    _add_routes(app, likes, readiness)
    csrf_tokens = CsrfTokens(settings)
    forms.add_routes(app, likes, csrf_tokens, authenticator.origins)
    if settings.demo:
        demo.add_routes(app, likes, csrf_tokens)
    return request_log


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
