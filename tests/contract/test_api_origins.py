"""Pages of other origins. Those in LIKEWISE_SITES may like and read; requests of others change nothing."""

import pytest

from tests.support.app_factory import SITE, memory, problem

LIKE = "/v1/posts/a/like"
FOREIGN = ["https://evil.site", "https://blog.site.evil.site", "http://blog.site", "null"]
CHANGES = [
    ("PUT", LIKE),
    ("DELETE", LIKE),
    ("POST", "/api/like/a"),
    ("POST", "/api/likes"),
    ("POST", "/v1/posts/a/form"),
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("cookie", [True, False])
def test_a_foreign_page_changes_nothing(origin, method, path, cookie):
    world = memory()
    client = world.app.test_client(use_cookies=cookie)
    client.put(LIKE)
    before = world.snapshot()
    answer = client.open(path, method=method, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert problem(answer)["type"].endswith("foreign-site")
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control") or name == "Set-Cookie"]
    assert world.snapshot() == before


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_cannot_read(origin):
    client = memory().app.test_client()
    for path in (LIKE, "/v1/posts/a/count", "/v1/counts?post=a", "/v1/likes?post=a"):
        answer = client.get(path, headers={"Origin": origin})
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    assert "Access-Control-Allow-Origin" not in client.options(LIKE, headers=asked).headers


def test_an_allowed_page_reads_and_likes_without_cookies():
    client = memory().app.test_client()
    headers = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
    asked = client.options(LIKE, headers=headers | {"Access-Control-Request-Method": "PUT"})
    assert (asked.status_code, asked.data) == (204, b"")
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "Likewise-Visitor" in asked.headers["Access-Control-Allow-Headers"]
    for answer in (asked, client.put(LIKE, headers=headers), client.get("/v1/counts?post=a", headers=headers)):
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert "Likewise-Visitor" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_caches_keep_responses_by_origin():
    client = memory().app.test_client()
    assert "Origin" in client.get("/v1/counts?post=a").headers["Vary"]
    assert "Origin" in client.get("/v1/counts?post=a", headers={"Origin": SITE}).headers["Vary"]
    assert "Origin" not in memory(sites=[]).app.test_client().get("/v1/counts?post=a").headers["Vary"]


def test_errors_are_readable_on_an_allowed_page():
    answer = memory().app.test_client().put("/v1/posts/%00/like", headers={"Origin": SITE})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, SITE)


@pytest.mark.parametrize("value", ["https://blog.site\r\nSet-Cookie: a=b", "https://blog.site\nX: y"])
def test_an_origin_cannot_inject_a_header(value):
    """Werkzeug's client refuses to send such an origin, so the environ carries it."""
    world = memory()
    environ = {"HTTP_ORIGIN": value, "HTTP_SEC_FETCH_SITE": "cross-site"}
    answer = world.app.test_client().put(LIKE, environ_overrides=environ)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert world.snapshot()[0] == {}


def test_any_page_may_load_the_button():
    answer = memory().app.test_client().get("/like-button.js", headers={"Origin": "https://anyone.site"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    kept = {"If-None-Match": answer.headers["ETag"]}
    assert memory().app.test_client().get("/like-button.js", headers=kept).status_code == 304
