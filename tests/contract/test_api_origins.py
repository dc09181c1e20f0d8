"""Pages of other origins. Those in LIKEWISE_SITES may like and read; requests of others change nothing."""

import pytest

from tests.support.app_factory import SITE, fake_api, problem

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
    api = fake_api()
    client = api.app.test_client(use_cookies=cookie)
    client.put(LIKE)
    before = api.snapshot()
    response = client.open(path, method=method, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert problem(response)["type"].endswith("foreign-site")
    assert not [name for name, _ in response.headers if name.startswith("Access-Control") or name == "Set-Cookie"]
    assert api.snapshot() == before


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_cannot_read(origin):
    client = fake_api().app.test_client()
    for path in (LIKE, "/v1/posts/a/count", "/v1/counts?post=a", "/v1/likes?post=a"):
        response = client.get(path, headers={"Origin": origin})
        assert response.status_code == 200
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Access-Control-Allow-Credentials" not in response.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    assert "Access-Control-Allow-Origin" not in client.options(LIKE, headers=asked).headers


def test_an_allowed_page_reads_and_likes_without_cookies():
    client = fake_api().app.test_client()
    headers = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
    asked = client.options(LIKE, headers=headers | {"Access-Control-Request-Method": "PUT"})
    assert (asked.status_code, asked.data) == (204, b"")
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "Likewise-Visitor" in asked.headers["Access-Control-Allow-Headers"]
    for response in (asked, client.put(LIKE, headers=headers), client.get("/v1/counts?post=a", headers=headers)):
        assert response.headers["Access-Control-Allow-Origin"] == SITE
        assert "Likewise-Visitor" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers


def test_caches_keep_responses_by_origin():
    client = fake_api().app.test_client()
    assert "Origin" in client.get("/v1/counts?post=a").headers["Vary"]
    assert "Origin" in client.get("/v1/counts?post=a", headers={"Origin": SITE}).headers["Vary"]
    assert "Origin" not in fake_api(sites=[]).app.test_client().get("/v1/counts?post=a").headers["Vary"]


def test_errors_are_readable_on_an_allowed_page():
    response = fake_api().app.test_client().put("/v1/posts/%00/like", headers={"Origin": SITE})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (400, SITE)


@pytest.mark.parametrize("value", ["https://blog.site\r\nSet-Cookie: a=b", "https://blog.site\nX: y"])
def test_an_origin_cannot_inject_a_header(value):
    """Werkzeug's client refuses to send such an origin, so the test sets it in the environ."""
    api = fake_api()
    environ = {"HTTP_ORIGIN": value, "HTTP_SEC_FETCH_SITE": "cross-site"}
    response = api.app.test_client().put(LIKE, environ_overrides=environ)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers
    assert api.snapshot()[0] == {}


def test_any_page_may_load_the_button():
    response = fake_api().app.test_client().get("/like-button.js", headers={"Origin": "https://anyone.site"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Content-Type"].startswith("text/javascript")
    kept = {"If-None-Match": response.headers["ETag"]}
    assert fake_api().app.test_client().get("/like-button.js", headers=kept).status_code == 304
