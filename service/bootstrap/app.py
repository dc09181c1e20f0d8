"""Creation of the web application of an API pod."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from flask import Flask

from service import api
from service.api.http.request_counter import count_traffic
from service.auth.identity import Viewers
from service.bootstrap.runtime import EXTENSION, Runtime
from service.bootstrap.stores import create_cluster, create_likes, create_load_reporter, create_stores
from service.bootstrap.tracing import PodTracing
from service.core.readiness import Readiness
from service.observability.load_meter import EventLoopLag, LoadMeter
from service.observability.traffic_counter import TrafficCounter
from service.ratelimit.policy import Quotas
from service.ratelimit.sync import Sharing
from service.settings import Settings
from service.storage.redis.ratelimit_store import RedisWindows


class Closable(Protocol):
    """A part that holds sockets or threads."""

    def close(self) -> None:
        """Release them."""


def create_app(settings: Settings) -> Flask:
    """Create the WSGI application of a pod, with a Runtime as its extension. Raises ConfigurationError."""
    stores, quotas = create_stores(settings), Quotas(settings)
    viewers = Viewers(settings, quotas)
    viewers.users.start()
    app = Flask("service", static_folder=None)
    traffic, lag, tracing = TrafficCounter(), EventLoopLag(), PodTracing(settings)
    load_reporter = create_load_reporter(settings, "api", LoadMeter(traffic, lag.take_s).measure)
    readiness = Readiness(stores.counter, stores.like_store, silence_s=settings.redis_silence_s)
    likes = create_likes(stores, traffic.posts.append, tracing.trace_counter)
    fast_path = api.register(app, likes=likes, viewers=viewers, readiness=readiness, settings=settings)
    count_traffic(app, traffic)
    tracing.trace_requests(app, viewers.clients)
    app.extensions[EXTENSION] = Runtime(
        start=_call_each(readiness.start, lag.start, load_reporter.start),
        stop=readiness.stop,
        close=_close_each(stores, viewers, *_rate_limit_sync(settings, quotas), readiness, lag, load_reporter, tracing),
        fast_path=fast_path,
    )
    return app


def _rate_limit_sync(settings: Settings, quotas: Quotas) -> tuple[RedisWindows, Sharing]:
    """Create the exchange of rate limits with other pods, with sockets of its own so that it does not delay likes."""
    windows = RedisWindows(create_cluster(settings))
    return windows, Sharing(quotas.all, windows, settings.limit_share_ms / 1000)


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
