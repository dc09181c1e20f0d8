"""Invalid requests are answered with a 4xx that names the field, and change nothing."""

import pytest

from service.core.likes import Likes
from service.errors import ConfigurationError
from tests.support.app_factory import SEED_KEY, FakeApi, app_of, fake_api, problem, settings

KEY = {"Authorization": f"Bearer {SEED_KEY}"}
BAD_IDS = [
    pytest.param("", id="empty"),
    pytest.param("a" * 201, id="201 bytes"),
    pytest.param(".", id="dot"),
    pytest.param("..", id="dots"),
    pytest.param("a/../b", id="dots inside"),
    pytest.param("%2e%2e", id="encoded dots"),
    pytest.param("a%2F%2E%2e%2Fb", id="encoded all"),
    pytest.param("%00", id="NUL"),
    pytest.param("a%00b", id="NUL inside"),
    pytest.param("%ff", id="no UTF-8"),
    pytest.param("%c3%28", id="bad UTF-8"),
    pytest.param("caf%C3%A9", id="other letters"),
    pytest.param("a//b", id="double slash"),
    pytest.param("/a", id="leading slash"),
    pytest.param("a/", id="trailing slash"),
    pytest.param("a%2F%2Fb", id="encoded double slash"),
    pytest.param("a%252Fb", id="encoded twice"),
    pytest.param("a%25", id="percent"),
    pytest.param("a%zz", id="no hex"),
    pytest.param("a%20b", id="space"),
    pytest.param("a%0A", id="newline"),
    pytest.param("a;b", id="semicolon"),
]
ROUTES = [
    ("PUT", "/v1/posts/{}/like", "post"),
    ("DELETE", "/v1/posts/{}/like", "post"),
    ("GET", "/v1/posts/{}/like", "post"),
    ("GET", "/v1/posts/{}/count", "post"),
    ("GET", "/v1/counts?post=ok&post={}", "post"),
    ("POST", "/api/like/{}", "post"),
    ("GET", "/api/likes?likes=5&slug={}", "slug"),
]


@pytest.fixture
def api() -> FakeApi:
    """Return the API on fake stores in which one post has a like."""
    made = fake_api()
    made.app.test_client().put("/v1/posts/liked/like")
    return made


def refused(api: FakeApi, method: str, path: str, status: int = 400, **sent: object) -> dict[str, object]:
    """Return the problem of a request, which must change nothing and create no visitor."""
    before = api.snapshot()
    response = api.app.test_client().open(path, method=method, **sent)
    assert response.status_code == status, response.text
    assert "Set-Cookie" not in response.headers
    assert api.snapshot() == before
    return problem(response)


@pytest.mark.parametrize(("method", "path", "field"), ROUTES)
@pytest.mark.parametrize("post", BAD_IDS)
def test_the_error_names_a_bad_id(api, method, path, field, post):
    if "?" in path and post == "a;b":
        post = "a%3Bb"
    details = refused(api, method, path.format(post), headers=KEY)
    assert details["field"] == field
    assert field in details["detail"]


@pytest.mark.parametrize("count", [0, 101, 5000])
def test_a_batch_has_1_to_100_posts(api, count):
    details = refused(api, "GET", "/v1/counts?" + "&".join(["post=a"] * count))
    assert details["field"] == "post"
    assert "1 to 100" in details["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"not json", "body"),
        (b"\xff\xfe", "body"),
        (b'{"slug": "\xff", "action": "like"}', "body"),
        (b"[" * 16_000, "body"),
        (b"1" * 16_000, "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'"like"', "body"),
        (b'{"slug": "a", "action": "like", "likes": NaN}', "body"),
        (b"{}", "slug"),
        (b'{"slug": null, "action": "like"}', "slug"),
        (b'{"slug": 7, "action": "like"}', "slug"),
        (b'{"slug": ["a"], "action": "like"}', "slug"),
        (b'{"slug": "", "action": "like"}', "slug"),
        (b'{"slug": "a\\u0000", "action": "like"}', "slug"),
        (b'{"slug": "\\ud800", "action": "like"}', "slug"),
        (b'{"slug": "../a", "action": "like"}', "slug"),
        (b'{"slug": "a"}', "action"),
        (b'{"slug": "a", "action": "toggle"}', "action"),
        (b'{"slug": "a", "action": "\\ud800"}', "action"),
        (b'{"slug": "a", "action": {"like": 1}}', "action"),
        (b'{"slug": "a", "action": "like", "likes": -1}', "likes"),
        (b'{"slug": "a", "action": "like", "likes": 9007199254740992}', "likes"),
        (b'{"slug": "a", "action": "like", "likes": 1.5}', "likes"),
        (b'{"slug": "a", "action": "like", "likes": "1"}', "likes"),
        (b'{"slug": "a", "action": "like", "likes": true}', "likes"),
    ],
)
def test_the_error_names_a_bad_body(api, body, field):
    details = refused(api, "POST", "/api/likes", data=body, content_type="application/json", headers=KEY)
    assert details["field"] == field
    assert field in details["detail"]


@pytest.mark.parametrize("likes", ["", "-1", "1.5", "x", "9007199254740992", "9" * 5000, "\u0661", "\xb2"])
def test_the_error_names_a_bad_first_count(api, likes):
    sent = {"slug": "a", "likes": likes}
    assert refused(api, "GET", "/api/likes", query_string=sent, headers=KEY)["field"] == "likes"


def test_another_content_type_is_refused(api):
    body = b'{"slug": "a", "action": "like"}'
    details = refused(api, "POST", "/api/likes", 415, data=body, content_type="text/plain")
    assert "application/json" in details["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [(m, p.format("a")) for m, p, _ in ROUTES] + [("POST", "/api/likes"), ("GET", "/x"), ("PATCH", "/livez")],
)
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_over_16_kib_are_refused_everywhere(api, method, path, declared):
    body = b'{"slug": "a", "action": "like", "x": "' + b"x" * 16_384 + b'"}'
    chunked = {} if declared else {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ = chunked | ({"CONTENT_LENGTH": ""} if chunked else {})
    sent = {"data": body, "content_type": "application/json", "environ_overrides": environ}
    details = refused(api, method, path, 413, **sent)
    assert details["field"] == "body"
    assert "16384" in details["detail"]


def test_a_body_of_16_kib_is_read(api):
    body = b'{"slug": "a", "action": "like", "x": "'
    body += b"x" * (16_384 - len(body) - 2) + b'"}'
    response = api.app.test_client().post("/api/likes", data=body, content_type="application/json")
    assert response.json["count"] == 1


@pytest.mark.parametrize("host", ["\xff", "a b", "", "a:b:c", "x" * 5000])
def test_unusual_hosts_cause_no_server_error(api, host):
    before = api.snapshot()
    response = api.app.test_client().get("/v1/posts/liked/count", environ_overrides={"HTTP_HOST": host})
    assert response.status_code in {200, 400}
    assert api.snapshot() == before


def test_an_unexpected_error_is_a_500_without_details(api, capsys):
    api.counter.error = RuntimeError("the password is 1234")
    details = refused(api, "GET", "/v1/posts/liked/count", 500)
    assert "1234" not in str(details)
    assert "the password is 1234" in capsys.readouterr().out


def test_a_short_secret_prevents_the_start():
    api = fake_api()
    likes = Likes(counter=api.counter, like_store=api.like_store)
    for secret in ("", "x" * 31):
        with pytest.raises(ConfigurationError, match="LIKEWISE_SECRET"):
            app_of(likes, api.readiness, settings(secret=secret))
