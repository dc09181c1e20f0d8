"""Identities: visitors of each site, users, and servers. A credential that is not valid changes nothing."""

import time

import jwt
import pytest

from service.auth.visitor_token import mint
from tests.support.app_factory import ADMIN_KEY, LIKE_KEY, SECRET, SEED_KEY, SITE, fake_api, problem

OTHER_SITE = "https://other.site"
JWT_SECRET = "fQ7mVb2xKp9Tz4Rw8YhLc3Ns6Gd1Je5U"
USERS = {"jwt_audience": "likes", "jwt_algorithms": ["HS256"], "jwt_keys": JWT_SECRET}
LIKE = "/v1/posts/a/like"


def user(sub: str = "42", **claims: object) -> str:
    """Return a user's token, as the site's own server signs it."""
    return jwt.encode({"sub": sub, "aud": "likes", "exp": time.time() + 60} | claims, JWT_SECRET, "HS256")


def bearer(token: str, **more: str) -> dict[str, str]:
    """Return the headers that carry a user's token or a server's key."""
    return {"Authorization": f"Bearer {token}", **more}


@pytest.fixture
def api():
    """Make the API with users and two sites."""
    return fake_api(sites=[SITE, OTHER_SITE], **USERS)


def test_a_user_is_one_actor_on_every_device(api):
    phone, laptop = api.app.test_client(), api.app.test_client()
    assert phone.put(LIKE, headers=bearer(user())).status_code == 201
    again = laptop.put(LIKE, headers=bearer(user(), Origin=SITE))
    assert (again.status_code, again.json["count"]) == (200, 1)
    assert api.counter.likers["a"] == {"user:42"}
    assert "Set-Cookie" not in again.headers
    assert "Likewise-Visitor" not in again.headers
    assert phone.delete(LIKE, headers=bearer(user())).json["count"] == 0


def test_a_user_takes_precedence_over_the_visitor_of_the_browser(api):
    client = api.app.test_client()
    client.put("/v1/posts/b/like")
    client.put(LIKE, headers=bearer(user()))
    assert api.counter.likers["a"] == {"user:42"}


def test_a_server_likes_for_its_users(api):
    client = api.app.test_client()
    for key in (LIKE_KEY, ADMIN_KEY):
        client.put(LIKE, headers=bearer(key, **{"Likewise-Actor": "42"}))
    assert client.get(LIKE, headers=bearer(user())).json["liked"] is True
    assert api.counter.likers["a"] == {"user:42"}
    assert client.delete(LIKE, headers=bearer(LIKE_KEY, **{"Likewise-Actor": "42"})).json["count"] == 0


def test_a_server_must_name_a_user(api):
    for method in ("put", "delete"):
        response = getattr(api.app.test_client(), method)(LIKE, headers=bearer(LIKE_KEY))
        assert (response.status_code, problem(response)["field"]) == (400, "Likewise-Actor")
    assert api.snapshot()[0] == {}


@pytest.mark.parametrize("headers", [{}, bearer(SEED_KEY), bearer(user())], ids=["nobody", "seed key", "user"])
def test_only_a_key_with_the_scope_like_can_like_for_users(api, headers):
    response = api.app.test_client().put(LIKE, headers={**headers, "Likewise-Actor": "42"})
    assert (response.status_code, problem(response)["type"].rpartition(":")[2]) == (403, "forbidden")
    assert api.snapshot()[0] == {}


@pytest.mark.parametrize("name", ["", "a\x7fb", "x" * 300])
def test_the_error_names_an_invalid_user_id(api, name):
    response = api.app.test_client().put(LIKE, headers=bearer(LIKE_KEY, **{"Likewise-Actor": name}))
    assert (response.status_code, problem(response)["field"]) == (400, "Likewise-Actor")
    assert api.snapshot()[0] == {}


FORGED = {
    "another secret's": mint(b"another secret" * 3, bytes(16)),
    "another site's": mint(SECRET.encode(), bytes(16), origin=OTHER_SITE),
    "our own pages'": mint(SECRET.encode(), bytes(16)),
    "cut": mint(SECRET.encode(), bytes(16), origin=SITE)[:-1],
    "longer": mint(SECRET.encode(), bytes(16), origin=SITE) + "A",
    "short": "x",
    "huge": "1" * 7_000,
    "bytes": "\xff" * 68,
    "a user's": user(),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_an_invalid_visitor_token_changes_nothing(api, token):
    headers = {"Origin": SITE, "Likewise-Visitor": token}
    for method in ("put", "delete", "get"):
        response = getattr(api.app.test_client(), method)(LIKE, headers=headers)
        assert (response.status_code, problem(response)["type"].rpartition(":")[2]) == (401, "invalid-credential")
        assert response.headers["Access-Control-Allow-Origin"] == SITE
        assert not {"Likewise-Visitor", "Set-Cookie"} & set(response.headers.keys())
        assert token[:60] not in response.text or len(token) < 2
    assert api.snapshot()[0] == {}


BAD_COOKIES = {
    "short": "x",
    "huge": "1" * 3_900,
    "another secret's": mint(b"another secret" * 3),
    "another site's": mint(SECRET.encode(), origin=SITE),
}


@pytest.mark.parametrize("token", BAD_COOKIES.values(), ids=BAD_COOKIES.keys())
def test_an_invalid_cookie_changes_nothing_and_is_deleted(api, token):
    client = api.app.test_client()
    client.set_cookie("likewise_visitor", token)
    assert client.put(LIKE).status_code == 401
    assert api.snapshot()[0] == {}
    assert client.get_cookie("likewise_visitor") is None
    assert client.put(LIKE).status_code == 201


def test_over_tls_a_cookie_without_the_host_prefix_is_ignored(api):
    client = api.app.test_client()
    client.set_cookie("likewise_visitor", mint(SECRET.encode(), bytes(16)), domain="x")
    minted = client.put(f"https://x{LIKE}")
    assert minted.headers["Set-Cookie"].startswith("__Host-likewise_visitor=")
    assert api.counter.likers["a"] != {"A" * 22}


BAD_BEARERS = {
    "expired": user(exp=time.time() - 60),
    "another audience's": user(aud="elsewhere"),
    "not yet valid": user(nbf=time.time() + 600),
    "of nobody": user(""),
    "another key's": jwt.encode({"sub": "42", "aud": "likes", "exp": time.time() + 60}, "k" * 32, "HS256"),
    "alg none": jwt.encode({"sub": "42", "aud": "likes", "exp": time.time() + 60}, "", "none"),
    "another alg": jwt.encode({"sub": "42", "aud": "likes", "exp": time.time() + 60}, JWT_SECRET * 2, "HS512"),
    "cut": user()[:-2],
    "huge": user("4" * 6_000),
    "no token": "x",
    "a visitor's": mint(SECRET.encode(), bytes(16)),
    "an unknown key": "lk_liker_" + "A" * 43,
    "a key cut": LIKE_KEY[:-1],
    "a huge key": "lk_" + "A" * 6_000,
    "a key's hash": "lk_" + "0" * 64,
}


@pytest.mark.parametrize("token", BAD_BEARERS.values(), ids=BAD_BEARERS.keys())
def test_an_invalid_bearer_changes_nothing(api, token):
    client = api.app.test_client()
    # The browser's visitor must not stand in for the user.
    client.put("/v1/posts/b/like")
    before = api.snapshot()
    for method, path in (("put", LIKE), ("delete", "/v1/posts/b/like"), ("get", LIKE), ("post", "/api/like/a")):
        response = getattr(client, method)(path, headers=bearer(token))
        assert response.status_code == 401, response.text
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert token not in response.text or len(token) < 2
    assert api.snapshot() == before


@pytest.mark.parametrize("sent", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Digest x", "\xff"])
def test_other_authentication_schemes_are_ignored(api, sent):
    assert api.app.test_client().put(LIKE, headers={"Authorization": sent}).status_code == 201


def test_tokens_of_two_sites_cannot_be_linked(api):
    client = api.app.test_client()
    tokens = []
    for site in (SITE, OTHER_SITE):
        minted = client.put(LIKE, headers={"Origin": site, "Sec-Fetch-Site": "cross-site"})
        assert "Set-Cookie" not in minted.headers
        tokens.append(minted.headers["Likewise-Visitor"])
    assert len(api.counter.likers["a"]) == 2
    assert not set(tokens[0].split(".")[1:]) & set(tokens[1].split(".")[1:])


def test_a_page_of_the_service_cannot_read_the_token(api):
    minted = api.app.test_client().put(LIKE, headers={"Sec-Fetch-Site": "same-origin"})
    assert "HttpOnly" in minted.headers["Set-Cookie"]
    assert "Likewise-Visitor" not in minted.headers


def test_only_pages_of_the_service_use_the_cookie(api):
    client = api.app.test_client()
    client.put(LIKE)
    client.put(LIKE, headers={"Origin": SITE})
    assert len(api.counter.likers["a"]) == 2


def test_a_repeated_first_like_counts_for_the_same_visitor(api):
    nonce = {"Idempotency-Key": "0123456789abcdef", "Origin": SITE}
    first, again = (api.app.test_client().put(LIKE, headers=nonce) for _ in range(2))
    assert [first.status_code, again.status_code, again.json["count"]] == [201, 200, 1]
    assert first.headers["Likewise-Visitor"] == again.headers["Likewise-Visitor"]
    for other in ({"Origin": OTHER_SITE}, {"Idempotency-Key": "fedcba9876543210"}):
        assert api.app.test_client().put(LIKE, headers=nonce | other).status_code == 201
    assert len(api.counter.likers["a"]) == 3


@pytest.mark.parametrize("nonce", ["", "1", "x" * 15, "x" * 101])
def test_a_weak_nonce_is_refused(api, nonce):
    response = api.app.test_client().put(LIKE, headers={"Idempotency-Key": nonce})
    assert (response.status_code, problem(response)["field"]) == (400, "Idempotency-Key")
    assert api.snapshot()[0] == {}


def test_a_rotated_secret_keeps_visitors():
    old, new = SECRET, SECRET[::-1]
    token = mint(old.encode(), bytes(16))
    api = fake_api(secret=new, previous_secret=old)
    client = api.app.test_client()
    client.set_cookie("likewise_visitor", token)
    assert client.put(LIKE).status_code == 201
    assert api.counter.likers["a"] == {"A" * 22}
    renewed = client.get_cookie("likewise_visitor")
    assert renewed is not None
    assert renewed.value == mint(new.encode(), bytes(16))
    assert "Set-Cookie" not in client.put(LIKE).headers
    gone = fake_api(secret=new).app.test_client()
    assert gone.put(LIKE, headers={"Likewise-Visitor": token}).status_code == 401


def test_an_address_does_not_identify_a_person(api):
    responses = [api.app.test_client().put(LIKE) for _ in range(3)]
    assert [response.json["count"] for response in responses] == [1, 2, 3]
    assert api.app.test_client().get(LIKE).json["liked"] is False


def test_likes_of_several_posts(api):
    client = api.app.test_client()
    client.put(LIKE)
    response = client.get("/v1/likes?post=b&post=a")
    assert [(row["post"], row["liked"], row["count"]) for row in response.json["likes"]] == [
        ("b", False, 0),
        ("a", True, 1),
    ]
    assert response.headers["Cache-Control"] == "no-store"
    response = api.app.test_client().get("/v1/likes?post=a")
    assert [(row["liked"], row["count"]) for row in response.json["likes"]] == [(False, 1)]
    assert client.get("/v1/likes").status_code == 400
    assert client.get("/v1/likes?" + "&".join(["post=a"] * 101)).status_code == 400
