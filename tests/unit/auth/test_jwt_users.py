"""A valid JWT gives its user, and an invalid one is refused with the reason."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.auth.jwt_users import LEEWAY_S, JwtUsers
from service.auth.token_cache import TokenCache
from service.errors import KeysUnavailableError
from service.settings import Settings
from tests.support.auth.jwt_issuer import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    OTHER_RSA,
    RSA,
    SECRET,
    claims,
    hmac_by,
    jwk,
    jwks,
    pem,
    publishing,
    raw,
    token,
)
from tests.support.auth.jwt_users import ALL_KEYS, BY_SECRET, TRUE, USERS, is_known, now, refused, users_of
from tests.support.waiting import wait_for


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_a_valid_token_gives_its_user(key, alg):
    assert USERS.is_enabled
    assert USERS.authenticate(token(key, alg)) == "user:anna"
    assert USERS.authenticate(token(key, alg, aud=["shop", AUDIENCE], sub="a|b", jti=5)) == "user:a~7Cb"
    assert USERS.authenticate(token(key, alg, {"kid": "whatever", "typ": "at+jwt"})) == "user:anna"


@pytest.mark.parametrize(("alg", "secret"), [("HS256", SECRET), ("HS384", SECRET * 2), ("HS512", SECRET * 2)])
def test_a_token_signed_with_a_secret(alg, secret):
    users = users_of(secret, jwt_algorithms=[alg])
    assert users.authenticate(token(secret, alg)) == "user:anna"
    assert refused(token(secret[::-1], alg), users) == "The token's signature is not valid"
    assert "algorithm" in refused(token(RSA), users)


def test_two_keys_are_accepted_during_a_rotation():
    both = users_of(pem(RSA) + pem(OTHER_RSA))
    assert [both.authenticate(token(key)) for key in (RSA, OTHER_RSA)] == ["user:anna"] * 2
    assert refused(token(RSA), users_of(pem(OTHER_RSA))) == "The token's signature is not valid"
    secrets = users_of(f"{SECRET}\n{SECRET[::-1]}", jwt_algorithms=["HS256"])
    assert [secrets.authenticate(token(key, "HS256")) for key in (SECRET, SECRET[::-1])] == ["user:anna"] * 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"exp": 1}, "The token has expired"),
        ({"exp": -(10**400)}, "The token has expired"),
        ({"exp": True}, "The token has expired"),
        ({"nbf": 10**12}, "The token is not valid yet"),
        ({"iat": 10**12}, "The token is not valid yet"),
        ({"aud": "shop"}, "The token is for another audience"),
        ({"aud": ["shop", AUDIENCE + " "]}, "The token is for another audience"),
        ({"aud": AUDIENCE.upper()}, "The token is for another audience"),
        ({"aud": {AUDIENCE: 1}}, "The token is for another audience"),
        ({"aud": [AUDIENCE, 5]}, "The token is for another audience"),
        ({"iss": "https://login.blog.test.evil.test"}, "The token is from another issuer"),
        ({"iss": ISSUER + "/"}, "The token is from another issuer"),
        ({"iss": [ISSUER]}, "The token is from another issuer"),
        ({"exp": None}, "The token has no exp"),
        ({"sub": None}, "The token has no sub"),
        ({"aud": None}, "The token has no aud"),
        ({"iss": None}, "The token has no iss"),
        ({"aud": []}, "The token has no aud"),
        ({"sub": 5}, "The token's sub is not a string"),
        ({"sub": ["anna"]}, "The token's sub is not a string"),
        ({"sub": ""}, "The token names no user: the user's id is empty"),
        ({"sub": "a\0b"}, "The token names no user: the user's id holds a control character"),
        ({"sub": "\ud800"}, "The token names no user: the user's id holds a control character"),
        (
            {"sub": "a" * 196},
            "The token names no user: the user's id is too long: the actor id would have more than 200 characters",
        ),
        ({"exp": "soon"}, "The token's claims cannot be read"),
        ({"exp": [now()]}, "The token's claims cannot be read"),
        ({"exp": float("inf")}, "The token's claims cannot be read"),
        ({"exp": float("nan")}, "The token's claims cannot be read"),
        ({"nbf": "soon"}, "The token's claims cannot be read"),
        ({"iat": {}}, "The token's claims cannot be read"),
    ],
)
def test_a_signed_token_with_invalid_claims_is_refused(changes, sentence):
    payload = {**claims(), **changes}
    payload = {name: value for name, value in payload.items() if value is not None}
    signed = raw({"alg": "HS256"}, payload, hmac_by(SECRET.encode()))
    assert refused(signed, BY_SECRET) == sentence


def test_clocks_may_differ_by_half_a_minute():
    near, far = LEEWAY_S - 10, LEEWAY_S + 10
    assert USERS.authenticate(token(ED, "EdDSA", exp=now() - near, nbf=now() + near, iat=now() + near)) == "user:anna"
    assert refused(token(ED, "EdDSA", exp=now() - far)) == "The token has expired"
    assert refused(token(ED, "EdDSA", nbf=now() + far)) == "The token is not valid yet"
    assert refused(token(ED, "EdDSA", iat=now() + far)) == "The token is not valid yet"


def test_the_issuer_is_checked_only_if_one_is_set():
    assert users_of(jwt_issuer="").authenticate(token(iss=None)) == "user:anna"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    ahead = [0.0]
    monkeypatch.setattr("service.auth.token_cache.monotonic", lambda: time.monotonic() + ahead[0])
    return ahead


def test_a_verified_token_is_cached_for_a_minute(clock, monkeypatch):
    users, true = users_of(), token()
    assert users.authenticate(true) == "user:anna"
    # As if its key had been removed.
    users._keys = []
    clock[0] = 59
    assert users.authenticate(true) == "user:anna"
    clock[0] = 61
    assert refused(true, users) == "The token is signed by an unknown key"


def test_a_token_is_not_cached_beyond_its_expiry(clock):
    users, true = users_of(), token(exp=now() + 20)
    assert users.authenticate(true) == "user:anna"
    users._keys = []
    clock[0] = 21
    refused(true, users)


def test_refused_tokens_are_not_cached():
    users = users_of(pem(OTHER_RSA))
    refused(token(), users)
    assert not users._cache._actors


def test_the_least_recently_used_token_is_evicted_first():
    remembered = TokenCache(2)
    for name in (b"a", b"b"):
        remembered.put(name, name.decode(), 60)
    assert remembered.get(b"a") == "a"
    remembered.put(b"c", "c", 60)
    assert [remembered.get(name) for name in (b"a", b"b", b"c")] == ["a", None, "c"]
    remembered.put(b"d", "d", -1)
    assert remembered.get(b"d") is None


def test_threads_share_the_verifier():
    users = users_of()
    tokens = [(token(ED, "EdDSA", sub=f"u{at}"), f"user:u{at}") for at in range(50)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda one: (users.authenticate(one[0]), one[1]), tokens * 20))
    assert all(actor == expected for actor, expected in results)


_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from service.auth.jwt_users import JwtUsers
from service.settings import Settings
users = JwtUsers(Settings(jwt_audience="likewise", jwt_keys=sys.argv[1]))
print({job.get() for job in [gevent.spawn(users.authenticate, sys.argv[2]) for _ in range(50)]})
"""


def test_greenlets_share_the_verifier():
    args = [sys.executable, "-c", _GEVENT, ALL_KEYS, TRUE]
    done = subprocess.run(args, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{'user:anna'}\n", "")


def test_published_keys_are_awaited_and_refreshed():
    with publishing() as server:
        server.status = 503
        users = users_of("", jwks_url=server.url, jwks_refresh_s=1)
        first, second = token(headers={"kid": "a"}), token(OTHER_RSA, headers={"kid": "b"})
        with pytest.raises(KeysUnavailableError):
            users.authenticate(first)
        assert "algorithm" in refused(token(SECRET, "HS256"), users)
        server.status, server.body = 200, jwks(jwk(RSA, "a"))
        wait_for(lambda: is_known(users, first))
        assert refused(token(OTHER_RSA, headers={"kid": "a"}), users) == "The token's signature is not valid"
        assert refused(second, users) == "The token is signed by an unknown key"
        assert users.authenticate(token()) == "user:anna"
        server.body = jwks(jwk(RSA, "a"), jwk(OTHER_RSA, "b"))
        wait_for(lambda: users._jwks.find("b", "RS256"))
        assert [users.authenticate(one) for one in (first, second)] == ["user:anna"] * 2
        users.close()


def test_configured_keys_are_accepted_while_published_ones_are_unavailable():
    with publishing() as server:
        users = users_of(pem(RSA), jwks_url=server.url)
        assert users.authenticate(token()) == "user:anna"
        with pytest.raises(KeysUnavailableError):
            users.authenticate(token(OTHER_RSA))
        users.close()


def test_without_an_audience_there_are_no_users():
    users = JwtUsers(Settings())
    assert not users.is_enabled
    assert refused(TRUE, users) == "This service accepts no users' tokens"
    users.start()
    users.close()
