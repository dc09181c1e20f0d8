"""Creation of the web application of an API pod."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from flask import Flask

from service import api
from service.api.http.request_counter import count_failures
from service.api.loop.api import LoopApi
from service.auth.identity import Authenticator
from service.bootstrap.runtime import EXTENSION, Runtime
from service.bootstrap.stores import (
    create_cluster,
    create_likes,
    create_load_reporter,
    create_loop_counter,
    create_stores,
)
from service.bootstrap.tracing import PodTracing
from service.core.readiness import Readiness
from service.observability.load_meter import EventLoopLag, LoadMeter
from service.observability.traffic_counter import TrafficCounter
from service.ratelimit.policy import RateLimits
from service.ratelimit.sync import PeerSync
from service.settings import Settings
from service.storage.redis.ratelimit_store import RedisPeerStore


class Closable(Protocol):
    """A part that holds sockets or threads."""

    def close(self) -> None:
        """Release them."""


def create_app(settings: Settings) -> Flask:
    """Create the WSGI application of a pod, with a Runtime as its extension. Raises ConfigurationError."""
    stores, rate_limits = create_stores(settings), RateLimits(settings)
    authenticator = Authenticator(settings, rate_limits)
    authenticator.users.start()
    app = Flask("service", static_folder=None)
    traffic, lag, tracing = TrafficCounter(), EventLoopLag(), PodTracing(settings)
    load_reporter = create_load_reporter(settings, "api", LoadMeter(traffic, lag.take_s).measure)
    readiness = Readiness(stores.counter, stores.like_store, unready_after_s=settings.redis_unready_after_s)
    likes = create_likes(stores, traffic.posts.append, tracing.trace_counter)
    request_log = api.register(app, likes=likes, authenticator=authenticator, readiness=readiness, settings=settings)
    count_failures(app, traffic)
    is_traced = tracing.trace_requests(app, authenticator.clients)
    loop_api = LoopApi(likes, authenticator, request_log, create_loop_counter(stores), is_traced)
    peers, peer_sync = _rate_limit_sync(settings, rate_limits)
    app.extensions[EXTENSION] = Runtime(
        start=_call_each(readiness.start, lag.start, load_reporter.start, peer_sync.start),
        stop=readiness.stop,
        close=_close_each(stores, authenticator, peers, peer_sync, readiness, lag, load_reporter, tracing, loop_api),
        loop_api=loop_api,
        traffic=traffic,
    )
    return app


def _rate_limit_sync(settings: Settings, rate_limits: RateLimits) -> tuple[RedisPeerStore, PeerSync]:
    """Create the exchange of rate limits with other pods, with its own sockets so that it does not delay likes."""
    store = RedisPeerStore(create_cluster(settings))
    return store, PeerSync(rate_limits.all, store, settings.limit_sync_ms / 1000)


def _close_each(*parts: Closable) -> Callable[[], None]:
    """Return a function that closes the parts, the last first. A part that fails does not keep others from closing."""
    stack = ExitStack()
    for part in parts:
        stack.callback(part.close)
    return stack.close


def _call_each(*calls: Callable[[], None]) -> Callable[[], None]:
    def call_each() -> None:
        for call in calls:
            call()

    return call_each
