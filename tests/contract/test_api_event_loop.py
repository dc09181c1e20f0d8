"""The event loop answers requests as buttons send them, and leaves all others to Flask."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.errors import CounterUnavailableError
from tests.support.app_factory import SITE, fake_api, problem
from tests.support.loop_client import LoopClient

LIKE = "/v1/posts/a/b.c:d~e_f-1/like"


@pytest.fixture
def flask_requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the requests that Flask has answered."""
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
        ("GET", "/v1/posts/a/b/count", {}),
        ("GET", "/v1/counts?post=a&post=b/c&post=a", {}),
    ],
)
def test_requests_as_buttons_send_them_are_answered_by_the_loop(flask_requests, way, method, path, sent):
    client = fake_api().app.test_client()
    if method == "DELETE":
        # Only a visitor who is known can take a like back.
        client.put(path)
        flask_requests.clear()
    assert client.open(path, method=method, **sent).status_code in {200, 201}
    assert flask_requests == ([] if way == "loop" else [f"{method} {path.partition('?')[0]}"])


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", LIKE, {}),
        ("HEAD", "/v1/posts/a/count", {}),
        ("GET", "/v1/posts/a/count?locale=de", {}),
        ("GET", "/v1/counts?post=a&locale=de", {}),
        ("GET", "/v1/counts?post=", {}),
        ("GET", "/v1/counts", {}),
        ("GET", "/v1/posts/a/count", {"headers": {"If-None-Match": "*"}}),
        ("POST", "/api/like/a", {}),
        ("PUT", LIKE + "?locale=de", {}),
        ("PUT", "/v1/posts/a%2Fb/like", {}),
        ("PUT", LIKE, {"data": "x"}),
        ("PUT", "/v1/posts/a/likes", {}),
        ("OPTIONS", LIKE, {}),
    ],
)
def test_other_requests_go_through_flask(flask_requests, method, path, sent):
    fake_api().app.test_client().open(path, method=method, **sent)
    assert len(flask_requests) == 1


REQUESTS = [
    ("PUT", LIKE, {}),
    ("PUT", LIKE, {}),
    ("GET", LIKE.replace("/like", "/count"), {}),
    ("GET", "/v1/counts?post=x&post=a/b.c:d~e_f-1", {}),
    ("DELETE", LIKE, {}),
    ("DELETE", LIKE, {}),
    ("GET", "/v1/counts?" + "&".join(["post=a"] * 101), {}),
    ("GET", "/v1/posts/a//b/count", {}),
    ("PUT", "/v1/posts/../like", {}),
]


@pytest.mark.parametrize("headers", [{}, {"Origin": SITE}, {"Origin": "https://evil.site"}, {"Accept-Language": "fr"}])
@pytest.mark.parametrize("sites", [[], [SITE]])
def test_both_ways_send_the_same_bytes(headers, sites):
    assert responses_of(LoopClient, sites, headers) == responses_of(FlaskClient, sites, headers)


def responses_of(client_class, sites, headers):
    client = client_class(fake_api(sites=sites).app)
    found = []
    for method, path, sent in REQUESTS:
        response = client.open(path, method=method, headers={"Idempotency-Key": "0123456789abcdef"} | headers, **sent)
        etag = response.headers.get("ETag")
        again = client.open(path, method=method, headers={"If-None-Match": etag} | headers) if etag else response
        found += [
            (
                one.status.upper(),
                one.data,
                sorted((name, without_times(value)) for name, value in one.headers if name != "Date"),
            )
            for one in (response, again)
        ]
    return found


def without_times(value):
    """Remove the expiry of cookies and the reset time of limits, because both ways may be a second apart."""
    return re.sub(r"\d\d:\d\d:\d\d GMT|(?<=;t=)\d+", "", value)


def test_an_error_is_answered_once_and_counts_one_hit(flask_requests):
    api = fake_api(actor_limit="2/minute")
    client = api.app.test_client()
    client.put("/v1/posts/x/like")
    api.counter.error = CounterUnavailableError()
    for _ in range(2):
        assert problem(client.put(LIKE))["part"] == "redis"
    assert client.put(LIKE).status_code == 429
    api.counter.error = None
    assert client.delete(LIKE).status_code == 200
