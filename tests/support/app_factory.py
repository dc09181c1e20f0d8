"""Make an app of the API on fake or given stores."""

import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from service import api
from service.api.loop.api import LoopApi
from service.api.loop.ports import NonBlockingLikeCounter
from service.auth.api_keys import new_key
from service.auth.identity import Authenticator
from service.bootstrap.runtime import EXTENSION, Runtime
from service.core.likes import Likes
from service.core.readiness import Readiness
from service.observability.traffic_counter import TrafficCounter
from service.ratelimit.policy import RateLimits
from service.settings import Settings
from tests.support.fake_stores import FakeLikeCounter, FakeLikeStore, FakeLoopCounter

SECRET = "Vb0QXn1uT7yLr3kEw9ZcHsJd2PfAg6Mi"
SITE = "https://blog.site"
SEED_KEY, _SEEDER = new_key("seeder", ["seed"])
LIKE_KEY, _LIKER = new_key("liker", ["like"])
ADMIN_KEY, _ADMIN = new_key("admin", ["admin"])
API_KEYS = [_SEEDER, _LIKER, _ADMIN]
GENEROUS = "1000000/minute"
BASE_SETTINGS = {
    "secret": SECRET,
    "api_keys": API_KEYS,
    "sites": [SITE],
    "new_visitor_limit": GENEROUS,
    "actor_limit": GENEROUS,
    "network_limit": GENEROUS,
}


def settings(**changes: Any) -> Settings:
    """Return settings for a test. No rate limit is reached unless `changes` sets one."""
    return Settings(**(BASE_SETTINGS | changes))


@dataclass
class FakeApi:
    """The API on fake stores, which can be made to fail."""

    app: Flask
    counter: FakeLikeCounter
    like_store: FakeLikeStore
    readiness: Readiness

    def check_stores(self) -> None:
        """Check the stores once, as a pod does in the background."""
        self.readiness.check_redis()
        self.readiness.check_postgres()

    def snapshot(self) -> tuple[dict[str, set[str]], dict[str, int]]:
        """Return all likes and first counts. They are equal before and after a request that must change nothing."""
        likers = {post: set(actors) for post, actors in self.counter.likers.items() if actors}
        return likers, dict(self.like_store.seeds)


def fake_api(**changes: Any) -> FakeApi:
    """Make an app on fake stores."""
    like_store = FakeLikeStore()
    counter = FakeLikeCounter(like_store)
    readiness = Readiness(counter, like_store, unready_after_s=5)
    likes = Likes(counter=counter, like_store=like_store, cache_ms=0)
    app = app_of(likes, readiness, settings(**changes), FakeLoopCounter(counter))
    fake = FakeApi(app, counter, like_store, readiness)
    fake.check_stores()
    return fake


def app_of(
    likes: Likes, readiness: Readiness, chosen: Settings, loop_counter: NonBlockingLikeCounter | None = None
) -> Flask:
    """Make an app of the API on the given use cases. Without a loop counter, Flask answers all likes."""
    app = Flask("service", static_folder=None)
    authenticator = Authenticator(chosen, RateLimits(chosen))
    request_log = api.register(app, likes=likes, authenticator=authenticator, readiness=readiness, settings=chosen)
    app.extensions[EXTENSION] = Runtime(
        start=readiness.start,
        stop=readiness.stop,
        close=readiness.close,
        loop_api=LoopApi(likes, authenticator, request_log, loop_counter),
        traffic=TrafficCounter(),
    )
    return app


def problem(response: TestResponse) -> dict[str, Any]:
    """Return the problem in a response. Fail if it is not one."""
    assert response.content_type == "application/problem+json", (response.status, response.text)
    body = json.loads(response.data)
    assert body["status"] == response.status_code
    assert body.keys() >= {"type", "title", "detail"}
    return body


def fake_app() -> Flask:
    """Make an app for a server to run."""
    return fake_api().app
