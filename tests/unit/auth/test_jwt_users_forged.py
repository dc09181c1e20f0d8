"""Forged, malformed and random tokens are refused with a reason, never with another error."""

import itertools
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from service.auth.jwt_users import MAX_TOKEN_CHARS
from service.core.likes import validate_id
from service.errors import InvalidCredentialError
from tests.support.auth.jwt_issuer import (
    AUDIENCE,
    EC,
    ED,
    OTHER_RSA,
    RSA,
    SECRET,
    b64,
    claims,
    hmac_by,
    jwk,
    pem,
    publishing,
    raw,
    token,
)
from tests.support.auth.jwt_users import ALL_KEYS, BY_SECRET, TRUE, USERS, is_known, now, refused, rsa_by, users_of
from tests.support.waiting import wait_for

ES256 = ECAlgorithm(ECAlgorithm.SHA256)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "RS512", "HS256", "ES521"])
def test_an_algorithm_that_is_not_listed_is_refused(alg):
    for sign in (lambda _: b"", lambda _: b"x", hmac_by(b""), hmac_by(pem(RSA).encode())):
        refused(raw({"alg": alg}, claims(), sign))


@pytest.mark.parametrize("alg", [None, 5, True, ["RS256"], {"RS256": 1}, "RS256\0", "\ud800", "x" * 1_000])
def test_an_algorithm_of_another_kind_is_refused(alg):
    assert "algorithm" in refused(raw({"alg": alg}, claims()))
    assert "algorithm" in refused(raw({}, claims()))


def test_a_public_key_is_not_accepted_as_a_secret():
    der = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for public in (pem(RSA).encode(), pem(RSA).strip().encode(), der, ALL_KEYS.encode(), b""):
        for alg in ("HS256", "RS256", "ES256", "EdDSA"):
            refused(raw({"alg": alg}, claims(), hmac_by(public)))


def test_a_signature_is_valid_for_its_own_algorithm_only():
    algorithms = ["RS256", "PS256", "RS512", "ES256", "ES384", "EdDSA"]
    users = users_of(jwt_algorithms=algorithms)
    signers = {"RS256": rsa_by(RSA), "ES256": lambda signed: ES256.sign(signed, EC), "EdDSA": ED.sign}
    for alg, (own, sign) in itertools.product(algorithms, signers.items()):
        made = raw({"alg": alg}, claims(), sign)
        if alg == own:
            assert users.authenticate(made) == "user:anna"
        else:
            assert refused(made, users).startswith("The token's signature is not" if alg != "ES384" else "The token is")


def test_a_key_signs_only_by_its_own_algorithms():
    only_rsa = users_of(pem(RSA))
    for key, alg in ((EC, "ES256"), (ED, "EdDSA")):
        assert refused(token(key, alg), only_rsa) == "The token is signed by an unknown key"


@pytest.mark.parametrize(
    "forger", [OTHER_RSA, ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_the_signature_of_another_key_is_refused(forger):
    alg = {type(RSA): "RS256", type(EC): "ES256", type(ED): "EdDSA"}[type(forger)]
    assert refused(token(forger, alg)) == "The token's signature is not valid"


def test_urls_and_keys_in_a_header_are_ignored():
    with publishing(jwk(OTHER_RSA, "a")) as server:
        for header in (
            {"jku": server.url, "kid": "a"},
            {"x5u": server.url},
            {"kid": server.url},
            {"iss": server.url, "jwks_uri": server.url},
            {"jwk": jwk(OTHER_RSA, "a")},
            {"jwk": jwk(OTHER_RSA, "a"), "jku": server.url, "x5u": server.url, "kid": "a"},
            {"x5c": [b64(b"certificate")], "x5t": "a"},
        ):
            assert refused(token(OTHER_RSA, headers=header)) == "The token's signature is not valid"
            assert USERS.authenticate(token(RSA, headers=header)) == "user:anna"
        assert server.paths == []


KIDS = [
    "../../dev/null",
    "/etc/passwd",
    "http://127.0.0.1:1/",
    "' OR 1=1 --",
    "",
    " a",
    "a\0",
    "A",
    "é",
    "\ud800",
    "x" * 2_000,
]


@pytest.mark.parametrize("kid", KIDS)
def test_a_kid_only_selects_a_key(kid):
    forged = raw({"alg": "RS256", "kid": kid}, claims(), rsa_by(OTHER_RSA))
    assert refused(forged) == "The token's signature is not valid"
    with publishing(jwk(RSA, "a")) as server:
        users = users_of("", jwks_url=server.url)
        users.start()
        wait_for(lambda: is_known(users, token(headers={"kid": "a"})))
        true = raw({"alg": "RS256", "kid": kid}, claims(), rsa_by(RSA))
        assert refused(true, users) == "The token is signed by an unknown key"
        users.close()


@pytest.mark.parametrize("kid", [None, 5, True, {"a": 1}, ["a"], 1e308])
def test_a_kid_that_is_not_text_is_refused(kid):
    assert refused(raw({"alg": "RS256", "kid": kid}, claims(), rsa_by(RSA))) == "The token's header cannot be read"


@pytest.mark.parametrize("crit", [[], ["exp"], ["b64"], None, "exp", 5])
def test_a_critical_extension_is_refused(crit):
    refused(raw({"alg": "RS256", "crit": crit, "b64": True, "exp": 1}, claims(), rsa_by(RSA)))
    refused(raw({"alg": "RS256", "crit": crit, "b64": False, "exp": 1}, claims(), rsa_by(RSA)))
    refused(raw({"alg": "RS256", "b64": False}, claims(), rsa_by(RSA)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "Bearer " + TRUE,
        TRUE + "=",
        TRUE + "==",
        TRUE.replace(".", "=.", 1),
        TRUE + ".",
        "." + TRUE,
        TRUE + "." + TRUE,
        TRUE + "," + TRUE,
        TRUE + " " + TRUE,
        TRUE + "\n",
        " " + TRUE,
        TRUE.replace(".", " . "),
        TRUE.replace(".", "\u3002"),
        TRUE.replace(".", "\uff0e"),
        TRUE + "\u200b",
        TRUE + "\0",
        TRUE.replace("e", "\u0435"),
        "\ud800" * 10,
        TRUE.replace("-", "+").replace("_", "/") + "+",
        TRUE.rpartition(".")[0],
        TRUE.rpartition(".")[0] + ".",
        TRUE[:-1],
        TRUE[:-2],
        TRUE[1:],
        TRUE.lower(),
        ".".join(reversed(TRUE.split("."))),
        "e30.e30.e30",
        "bnVsbA.bnVsbA.bnVsbA",
        b64(b"[" * 2_000) + ".e30.e30",
        b64(b'{"alg": ' + b"[" * 2_000) + ".e30.e30",
        b64(b'{"alg":"EdDSA","x":' + b"9" * 2_900 + b"}") + ".e30.e30",
        b64(b"\xff\xfe{") + ".e30.e30",
        "a" * 1_000_000,
        TRUE + "A" * 1_000_000,
        "." * 1_000_000,
        "\ud800" * 1_000_000,
    ],
)
def test_malformed_tokens_are_refused(text):
    assert USERS.authenticate(TRUE) == "user:anna"
    assert len(refused(text)) > 10


def test_a_long_token_is_refused_without_parsing(monkeypatch):
    monkeypatch.setattr(jwt, "get_unverified_header", None)
    assert refused("a" * (MAX_TOKEN_CHARS - 3) + ".b.c") == "The token has more than 4096 characters"


@given(st.text())
@settings(deadline=None)
def test_any_text_is_refused(text):
    refused(text)


TOKENS = [TRUE, token(RSA, exp=now() + 86_400), token(EC, "ES256", exp=now() + 86_400)]
CHARS = st.sampled_from("ABCXYZabcxyz0189-_.=+/ \n\0é") | st.characters()


@given(st.sampled_from(TOKENS), st.data())
@settings(max_examples=300, deadline=None)
def test_a_mutated_token_is_refused(true, data):
    start = data.draw(st.integers(0, len(true)))
    end = data.draw(st.integers(start, min(len(true), start + 5)))
    changed = true[:start] + data.draw(st.text(CHARS, max_size=5)) + true[end:]
    assume(changed != true)
    refused(changed)


@given(st.permutations([part for true in TOKENS for part in true.split(".")]))
@settings(deadline=None)
def test_parts_of_several_tokens_are_refused(parts):
    mixed = ".".join(parts[:3])
    assume(mixed not in TOKENS)
    refused(mixed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(AUDIENCE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIM = st.sampled_from(["exp", "sub", "aud", "iss", "nbf", "iat", "jti"])
HEADER = st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c"])


@given(st.dictionaries(HEADER, JSON, max_size=3), st.dictionaries(CLAIM, JSON, max_size=4) | JSON)
@settings(max_examples=300, deadline=None)
def test_any_signed_payload_gives_a_valid_actor_or_is_refused(header, payload):
    payload = {**claims(), **payload} if isinstance(payload, dict) else payload
    signed = raw({"alg": "HS256", **header}, payload, hmac_by(SECRET.encode()))
    try:
        actor = BY_SECRET.authenticate(signed)
    except InvalidCredentialError:
        return
    assert validate_id(actor, "actor").startswith("user:")


@given(st.binary(max_size=200), st.binary(max_size=200))
@settings(deadline=None)
def test_a_signed_header_or_payload_that_is_malformed_is_refused(header, payload):
    refused(raw(header, claims(), hmac_by(SECRET.encode())), BY_SECRET)
    refused(raw({"alg": "HS256"}, payload, hmac_by(SECRET.encode())), BY_SECRET)


def test_the_last_of_repeated_claims_is_used():
    twice = json.dumps(claims()).encode().replace(b"{", b'{"sub": "root", ', 1)
    assert BY_SECRET.authenticate(raw({"alg": "HS256"}, twice, hmac_by(SECRET.encode()))) == "user:anna"
    refused(raw(b'{"alg": "none", "alg": "HS256"}', twice), BY_SECRET)


def test_a_distant_expiry_is_accepted():
    signed = raw({"alg": "HS256"}, claims(exp=10**400), hmac_by(SECRET.encode()))
    assert BY_SECRET.authenticate(signed) == "user:anna"
