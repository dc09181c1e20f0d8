"""An app of the API on some stores, and a way to ask what every post counts."""

import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from service import api
from service.likes import Likes
from service.settings import Settings

from .fakes import FakeCounter, FakeLedger

SECRET = "s" * 32
SEED_KEY = "the-seed-key"


def settings(**changes: Any) -> Settings:
    """Settings of a test; every request may mint unless it says otherwise."""
    values = {"secret": SECRET, "seed_key": SEED_KEY, "mint_limit": "100000/minute"}
    return Settings(**(values | changes))


@dataclass
class Memory:
    """The API on fake stores, which can be told to fail."""

    app: Flask
    counter: FakeCounter
    ledger: FakeLedger

    def snapshot(self) -> tuple[dict[str, set[str]], dict[str, int]]:
        """Who likes what, and every first count: equal before and after what must change nothing."""
        likers = {post: set(actors) for post, actors in self.counter.likers.items() if actors}
        return likers, dict(self.ledger.seeds)


def memory(**changes: Any) -> Memory:
    """A new app on fake stores."""
    ledger = FakeLedger()
    counter = FakeCounter(ledger)
    app = Flask("service")
    api.register(app, likes=Likes(counter=counter, ledger=ledger, cache_ms=0), settings=settings(**changes))
    return Memory(app, counter, ledger)


def problem(answer: TestResponse) -> dict[str, Any]:
    """The problem of an answer, which must be one."""
    assert answer.content_type == "application/problem+json", (answer.status, answer.text)
    body = json.loads(answer.data)
    assert body["status"] == answer.status_code
    assert body.keys() >= {"type", "title", "detail"}
    return body


def memory_app() -> Flask:
    """The app alone, for a server to run."""
    return memory().app
