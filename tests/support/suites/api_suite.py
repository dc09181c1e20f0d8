"""The contract of the API on any stores. The module that imports it provides the fixture `app`."""

import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.core.likes import MAX_ID_BYTES
from tests.support.app_factory import LIKE_KEY, SEED_KEY, problem

TYPES = {"post": str, "liked": bool, "count": int, "display": str, "approximate": bool, "as_of": str}
COUNT_TYPES = {name: kind for name, kind in TYPES.items() if name != "liked"}
KEY = {"Authorization": f"Bearer {SEED_KEY}"}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a browser: it keeps cookies."""
    return app.test_client()


@pytest.fixture
def new_client(app: Flask) -> Callable[[], FlaskClient]:
    """Return a function that makes clients without cookies."""
    return app.test_client


@pytest.fixture
def post() -> str:
    """Return a post without likes."""
    return f"t/{uuid.uuid4()}"


def test_a_like_is_counted_once_for_each_visitor(client, new_client, post):
    first, again = client.put(f"/v1/posts/{post}/like"), client.put(f"/v1/posts/{post}/like")
    other = new_client().put(f"/v1/posts/{post}/like")
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 201]
    assert [first.json["count"], again.json["count"], other.json["count"]] == [1, 1, 2]
    assert {name: type(value) for name, value in first.json.items()} == TYPES
    assert (first.json["post"], first.json["liked"]) == (post, True)
    assert first.headers["Cache-Control"] == "no-store"


def test_an_unlike_removes_only_the_visitors_own_like(client, new_client, post):
    client.put(f"/v1/posts/{post}/like")
    new_client().delete(f"/v1/posts/{post}/like")
    assert client.get(f"/v1/posts/{post}/like").json["count"] == 1
    gone = client.delete(f"/v1/posts/{post}/like")
    again = client.delete(f"/v1/posts/{post}/like")
    assert [(a.status_code, a.json["liked"], a.json["count"]) for a in (gone, again)] == [(200, False, 0)] * 2


def test_a_visitor_sees_their_own_like(client, new_client, post):
    client.put(f"/v1/posts/{post}/like")
    mine, theirs = client.get(f"/v1/posts/{post}/like"), new_client().get(f"/v1/posts/{post}/like")
    assert (mine.json["liked"], theirs.json["liked"]) == (True, False)
    assert (mine.json["count"], theirs.json["count"]) == (1, 1)
    assert theirs.headers["Cache-Control"] == "no-store"


def test_as_of_moves_forward_in_utc_with_microseconds(client, post):
    moments = [client.put(f"/v1/posts/{post}/like").json["as_of"] for _ in range(3)]
    assert moments == sorted(moments)
    assert all(len(moment) == len("2026-11-21T14:03:07.000123Z") for moment in moments)
    assert all(moment.endswith("Z") for moment in moments)


def test_a_first_like_issues_a_token_that_works_as_a_header(client, new_client, post):
    minted = client.put(f"/v1/posts/{post}/like")
    token = minted.headers["Likewise-Visitor"]
    cookie = minted.headers["Set-Cookie"]
    assert f"likewise_visitor={token};" in cookie
    assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={400 * 86400}"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    same = new_client().put(f"/v1/posts/{post}/like", headers={"Likewise-Visitor": token})
    assert (same.status_code, same.json["count"]) == (200, 1)
    assert "Likewise-Visitor" not in same.headers


def test_over_https_the_cookie_is_secure(client, new_client, post):
    proxied = {"X-Forwarded-Proto": "https"}
    for response in (
        client.put(f"https://x/v1/posts/{post}/like"),
        new_client().put(f"/v1/posts/{post}/like", headers=proxied),
    ):
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith("__Host-likewise_visitor=")
        assert {"Secure", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


@pytest.mark.parametrize("method", ["get", "delete"])
def test_reading_and_unliking_create_no_visitor(client, post, method):
    response = getattr(client, method)(f"/v1/posts/{post}/like")
    assert response.json["liked"] is False
    assert "Likewise-Visitor" not in response.headers
    assert "Set-Cookie" not in response.headers


def test_counts_are_cacheable_and_answer_304(client, post):
    client.put(f"/v1/posts/{post}/like")
    response = client.get(f"/v1/posts/{post}/count")
    assert {name: type(value) for name, value in response.json.items()} == COUNT_TYPES
    assert response.headers["Cache-Control"] == "public, max-age=1"
    assert response.headers["Vary"] == "Accept-Language, Origin"
    assert "Set-Cookie" not in response.headers
    kept = client.get(f"/v1/posts/{post}/count", headers={"If-None-Match": response.headers["ETag"]})
    assert (kept.status_code, kept.data) == (304, b"")
    assert kept.headers["ETag"] == response.headers["ETag"]


def test_a_changed_count_has_a_new_etag(client, new_client, post):
    before = new_client().get(f"/v1/posts/{post}/count").headers["ETag"]
    client.put(f"/v1/posts/{post}/like")
    responses = new_client().get(f"/v1/counts?post={post}"), new_client().get(f"/v1/posts/{post}/count")
    assert before not in {response.headers["ETag"] for response in responses}


def test_a_batch_of_counts_keeps_its_order(client, post):
    client.put(f"/v1/posts/{post}/like")
    posts = [f"{post}/{number}" for number in range(99)] + [post]
    response = client.get("/v1/counts", query_string={"post": posts})
    assert [row["post"] for row in response.json["counts"]] == posts
    assert [row["count"] for row in response.json["counts"]] == [0] * 99 + [1]


@pytest.mark.parametrize(
    ("query", "headers", "shown", "varies"),
    [
        ("", {}, "2.1K", True),
        ("", {"Accept-Language": "fr-FR,en;q=0.5"}, "2,1\xa0k", True),
        ("", {"Accept-Language": "xx"}, "2.1K", True),
        ("?locale=es", {"Accept-Language": "fr"}, "2,1\xa0mil", False),
        ("?locale=nowhere", {"Accept-Language": "fr"}, "2.1K", False),
    ],
)
def test_the_display_is_in_the_readers_language(client, post, query, headers, shown, varies):
    client.get(f"/api/likes?slug={post}&likes=2199", headers=KEY)
    response = client.get(f"/v1/posts/{post}/count{query}", headers=headers)
    assert (response.json["count"], response.json["display"]) == (2199, shown)
    assert ("Accept-Language" in response.headers["Vary"]) is varies


def test_an_id_with_slashes_may_be_encoded_or_not(client, post):
    encoded = post.replace("/", "%2F")
    assert client.put(f"/v1/posts/{encoded}/like").json["post"] == post
    assert client.put(f"/v1/posts/{post}/like").status_code == 200
    assert client.get(f"/v1/posts/{encoded}/count").json["count"] == 1


def test_an_id_may_end_like_a_route(client, post):
    tricky = f"{post}/like"
    assert client.put(f"/v1/posts/{tricky}/like").json["post"] == tricky
    assert client.get(f"/v1/posts/{post}%2Flike/count").json["count"] == 1
    assert client.get(f"/v1/posts/{post}/count").json["count"] == 0
    assert client.get(f"/v1/posts/{post}%2Flike").status_code == 404


def test_every_allowed_character_passes_unchanged(client, post):
    odd = f"{post}/AZaz09._:~-/..."
    assert client.put(f"/v1/posts/{odd}/like").json["post"] == odd
    longest = (post + "x" * MAX_ID_BYTES)[:MAX_ID_BYTES]
    assert client.put(f"/v1/posts/{longest}/like").json["post"] == longest


def test_the_legacy_toggle_likes_and_unlikes(client, post):
    responses = [client.post(f"/api/like/{post}") for _ in range(3)]
    assert [a.status_code for a in responses] == [200] * 3
    assert [(a.json["liked"], a.json["count"], a.json["likes"]) for a in responses] == [
        (True, 1, 1),
        (False, 0, 0),
        (True, 1, 1),
    ]
    assert client.get(f"/v1/posts/{post}/like").json["liked"] is True


def test_the_legacy_slugs_like_and_unlike(client, post):
    def send(action: str):
        return client.post("/api/likes", json={"slug": post, "action": action})

    responses = [send("unlike"), send("like"), send("like"), send("unlike")]
    assert [a.status_code for a in responses] == [200] * 4
    assert [a.json["likes"] for a in responses] == [0, 1, 1, 0]
    assert "Set-Cookie" not in responses[0].headers
    assert client.get(f"/api/likes?slug={post}").json["likes"] == 0


def test_a_seed_key_sets_a_first_count_once(client, post):
    first = client.get(f"/api/likes?slug={post}&likes=120", headers=KEY)
    later = client.get(f"/api/likes?slug={post}&likes=999", headers=KEY)
    liked = client.post("/api/likes", json={"slug": post, "action": "like", "likes": 5}, headers=KEY)
    assert [first.json["likes"], later.json["likes"], liked.json["likes"]] == [120, 120, 121]


def test_a_first_count_accepts_any_spelling_of_a_whole_number(client: FlaskClient) -> None:
    for post, likes in (("whole-a", 7), ("whole-b", 7.0), ("whole-c", 7e0)):
        response = client.post("/api/likes", json={"slug": post, "action": "unlike", "likes": likes}, headers=KEY)
        assert (response.status_code, response.json["likes"]) == (200, 7)
    refused = client.post("/api/likes", json={"slug": "whole-d", "action": "unlike", "likes": 7.5}, headers=KEY)
    assert (refused.status_code, refused.json["field"]) == (400, "likes")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {LIKE_KEY}", "Likewise-Actor": "7"},
        {"Authorization": SEED_KEY},
        {"Authorization": "\xff"},
    ],
)
def test_a_first_count_without_the_key_is_ignored(client, post, headers):
    assert client.get(f"/api/likes?slug={post}&likes=120", headers=headers).json["likes"] == 0
    body = {"slug": post, "action": "like", "likes": 120}
    assert client.post("/api/likes", json=body, headers=headers).json["likes"] == 1


def test_a_first_count_after_a_like_is_ignored(client, post):
    client.put(f"/v1/posts/{post}/like")
    assert client.get(f"/api/likes?slug={post}&likes=120", headers=KEY).json["likes"] == 1


@pytest.mark.parametrize("path", ["/v1/posts/{}/like", "/v1/posts/{}/count", "/v1/counts?post={}", "/livez"])
def test_head_answers_like_get_without_a_body(client, post, path):
    path = path.format(post)
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.data) == (get.status_code, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/posts/{}/like", {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}),
        ("/v1/posts/{}/count", {"GET", "HEAD", "OPTIONS"}),
        ("/api/like/{}", {"POST", "OPTIONS"}),
        ("/api/likes", {"GET", "HEAD", "POST", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "BREW", "OPTIONS"])
def test_a_wrong_method_is_refused_with_the_allowed_ones(client, post, path, allowed, method):
    response = client.open(path.format(post), method=method)
    assert set(response.headers["Allow"].split(", ")) == allowed
    if method == "OPTIONS":
        assert response.status_code == 200
    else:
        assert response.status_code == 405
        assert method in problem(response)["detail"]
    assert client.get(f"/v1/posts/{post}/count").json["count"] == 0


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/posts/x", "/v1/counts/", "/v1/posts/like", "/%00", "/%ff"])
def test_unknown_paths_are_problems(client, path):
    assert (client.get(path).status_code, problem(client.get(path))["status"]) == (404, 404)


def test_health(client):
    assert client.get("/livez").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"], ready.json["failing"]) == (200, "ready", [])


def test_the_document_describes_every_route(client, app):
    paths = client.get("/openapi.json").json["paths"]
    described = {(path.split("{")[0], method.upper()) for path, item in paths.items() for method in item}
    for rule in app.url_map.iter_rules():
        if rule.endpoint in {"like", "count", "counts", "toggle", "slug", "livez", "readyz", "openapi"}:
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            assert {(rule.rule.split("<")[0], method) for method in methods} <= described
