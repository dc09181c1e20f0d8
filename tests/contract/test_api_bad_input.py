"""Invalid requests are answered with a 4xx that names the field, and change nothing."""

import pytest

from service.core.likes import Likes
from service.errors import ConfigurationError
from tests.support.app_factory import SEED_KEY, Memory, app_of, memory, problem, settings

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
def world() -> Memory:
    """Make fake stores in which one post has a like."""
    made = memory()
    made.app.test_client().put("/v1/posts/liked/like")
    return made


def refused(world: Memory, method: str, path: str, status: int = 400, **sent: object) -> dict[str, object]:
    """Return the problem of a request. It changes nothing and makes no visitor."""
    before = world.snapshot()
    answer = world.app.test_client().open(path, method=method, **sent)
    assert answer.status_code == status, answer.text
    assert "Set-Cookie" not in answer.headers
    assert world.snapshot() == before
    return problem(answer)


@pytest.mark.parametrize(("method", "path", "field"), ROUTES)
@pytest.mark.parametrize("post", BAD_IDS)
def test_the_error_names_a_bad_id(world, method, path, field, post):
    if "?" in path and post == "a;b":
        post = "a%3Bb"
    said = refused(world, method, path.format(post), headers=KEY)
    assert said["field"] == field
    assert field in said["detail"]


@pytest.mark.parametrize("count", [0, 101, 5000])
def test_a_batch_has_1_to_100_posts(world, count):
    said = refused(world, "GET", "/v1/counts?" + "&".join(["post=a"] * count))
    assert said["field"] == "post"
    assert "1 to 100" in said["detail"]


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
def test_the_error_names_a_bad_body(world, body, field):
    said = refused(world, "POST", "/api/likes", data=body, content_type="application/json", headers=KEY)
    assert said["field"] == field
    assert field in said["detail"]


@pytest.mark.parametrize("likes", ["", "-1", "1.5", "x", "9007199254740992", "9" * 5000, "\u0661", "\xb2"])
def test_the_error_names_a_bad_first_count(world, likes):
    sent = {"slug": "a", "likes": likes}
    assert refused(world, "GET", "/api/likes", query_string=sent, headers=KEY)["field"] == "likes"


def test_another_content_type_is_refused(world):
    body = b'{"slug": "a", "action": "like"}'
    said = refused(world, "POST", "/api/likes", 415, data=body, content_type="text/plain")
    assert "application/json" in said["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [(m, p.format("a")) for m, p, _ in ROUTES] + [("POST", "/api/likes"), ("GET", "/x"), ("PATCH", "/livez")],
)
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_over_16_kib_are_refused_everywhere(world, method, path, declared):
    body = b'{"slug": "a", "action": "like", "x": "' + b"x" * 16_384 + b'"}'
    chunked = {} if declared else {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ = chunked | ({"CONTENT_LENGTH": ""} if chunked else {})
    sent = {"data": body, "content_type": "application/json", "environ_overrides": environ}
    said = refused(world, method, path, 413, **sent)
    assert said["field"] == "body"
    assert "16384" in said["detail"]


def test_a_body_of_16_kib_is_read(world):
    body = b'{"slug": "a", "action": "like", "x": "'
    body += b"x" * (16_384 - len(body) - 2) + b'"}'
    answer = world.app.test_client().post("/api/likes", data=body, content_type="application/json")
    assert answer.json["count"] == 1


@pytest.mark.parametrize("host", ["\xff", "a b", "", "a:b:c", "x" * 5000])
def test_unusual_hosts_cause_no_server_error(world, host):
    before = world.snapshot()
    answer = world.app.test_client().get("/v1/posts/liked/count", environ_overrides={"HTTP_HOST": host})
    assert answer.status_code in {200, 400}
    assert world.snapshot() == before


def test_an_unexpected_error_is_a_500_without_details(world, capsys):
    world.counter.error = RuntimeError("the password is 1234")
    said = refused(world, "GET", "/v1/posts/liked/count", 500)
    assert "1234" not in str(said)
    assert "the password is 1234" in capsys.readouterr().out


def test_a_short_secret_prevents_the_start():
    world = memory()
    likes = Likes(counter=world.counter, like_store=world.like_store)
    for secret in ("", "x" * 31):
        with pytest.raises(ConfigurationError, match="LIKEWISE_SECRET"):
            app_of(likes, world.readiness, settings(secret=secret))
