"""The hot path is taken for a like as buttons send it, and for nothing else."""

import pytest
from flask import Flask

from service.errors import CounterUnavailableError

from .api_world import SITE, memory, problem

LIKE = "/v1/posts/a/b.c:d~e_f-1/like"


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that Flask was asked for."""
    seen: list[str] = []
    full = Flask.full_dispatch_request

    def note(app: Flask):
        from flask import request

        seen.append(f"{request.method} {request.path}")
        return full(app)

    monkeypatch.setattr(Flask, "full_dispatch_request", note)
    return seen


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", LIKE, {}),
        ("DELETE", LIKE, {}),
        ("PUT", LIKE, {"headers": {"Origin": SITE, "Sec-Fetch-Site": "cross-site", "Accept-Language": "de"}}),
        ("PUT", LIKE, {"headers": {"Content-Length": "0"}}),
    ],
)
def test_likes_as_buttons_send_them(dispatched, way, method, path, sent):
    assert memory().app.test_client().open(path, method=method, **sent).status_code in {200, 201}
    assert dispatched == ([] if way == "hot" else [f"{method} {path}"])


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", LIKE, {}),
        ("POST", "/api/like/a", {}),
        ("PUT", LIKE + "?locale=de", {}),
        ("PUT", "/v1/posts/a%2Fb/like", {}),
        ("PUT", LIKE, {"data": "x"}),
        ("PUT", "/v1/posts/a/likes", {}),
        ("OPTIONS", LIKE, {}),
    ],
)
def test_all_else_goes_through_flask(dispatched, method, path, sent):
    memory().app.test_client().open(path, method=method, **sent)
    assert len(dispatched) == 1


def test_both_ways_say_the_same_bytes(monkeypatch):
    from service.api.hotpath import HotPath

    worlds = [memory(), memory()]
    said = []
    for world, hot in zip(worlds, (True, False), strict=True):
        if not hot:
            monkeypatch.setattr(HotPath, "__call__", lambda hot, environ, start: hot.app(environ, start))
        client = world.app.test_client()
        client.set_cookie("likewise_visitor", "")
        headers = {"Origin": SITE, "Idempotency-Key": "0123456789abcdef", "Accept-Language": "fr"}
        answers = [client.open(LIKE, method=method, headers=headers) for method in ("PUT", "PUT", "DELETE")]
        said.append([(answer.status, answer.data, sorted(answer.headers)) for answer in answers])
    assert said[0] == said[1]


def test_an_error_is_answered_once_and_spends_once(dispatched):
    world = memory(actor_limit="2/minute")
    client = world.app.test_client()
    client.put("/v1/posts/x/like")
    world.counter.error = CounterUnavailableError()
    for _ in range(2):
        assert problem(client.put(LIKE))["part"] == "redis"
    assert client.put(LIKE).status_code == 429
    world.counter.error = None
    assert client.delete(LIKE).status_code == 200
