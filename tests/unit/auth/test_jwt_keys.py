"""The keys of a JWKS document: which are used, and for which algorithms."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from service.auth.jwt_keys import MAX_PUBLISHED, fits, published_keys
from tests.support.auth.jwt_issuer import EC, ED, RSA, jwk, pem

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})


def key_ids(*entries: object) -> list[str | None]:
    return [one.kid for one in published_keys(json.dumps({"keys": entries}).encode(), ALGORITHMS)]


def test_usable_keys():
    good = [
        jwk(RSA, "plain"),
        jwk(RSA, "for RS256", alg="RS256"),
        jwk(RSA, "no use", use=None),
        jwk(RSA, "ops", key_ops=["verify"]),
        jwk(EC, "ec"),
        jwk(ED, "ed", alg="EdDSA"),
        jwk(RSA, None),
        jwk(RSA, "more", x5c=["AAAA"], x5u="http://127.0.0.1:1/"),
    ]
    assert key_ids(*good) == [entry.get("kid") for entry in good]


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "A" * 64, "kid": "a"},
        {"kty": "oct", "k": "A" * 64, "kid": "a", "alg": "RS256"},
        jwk(RSA, "a", use="enc"),
        jwk(RSA, "a", use=["sig"]),
        jwk(RSA, "a", alg="RS512"),
        jwk(RSA, "a", alg="HS256"),
        jwk(RSA, "a", alg="none"),
        jwk(RSA, "a", alg="ES256"),
        jwk(RSA, "a", alg=["RS256"]),
        jwk(RSA, "a", key_ops=["encrypt"]),
        jwk(RSA, "a", key_ops="verify"),
        jwk(RSA, "a", key_ops=[]),
        jwk(RSA, "a", kty="EC"),
        jwk(RSA, "a", kty=["RSA"]),
        jwk(RSA, "a", kty=None),
        jwk(RSA, "a", n=None),
        jwk(RSA, "a", n=5),
        jwk(RSA, "a", n=""),
        jwk(RSA, "a", n="é"),
        jwk(RSA, "a", e="AQ"),
        jwk(RSA, "a", d="AAAA"),
        {"kid": "a", **RSAAlgorithm.to_jwk(RSA, as_dict=True), "key_ops": ["verify"]},
        jwk(rsa.generate_private_key(65_537, 1_024), "a"),
        jwk(RSA, "a", n="_" * 20_000),
        jwk(EC, "a", crv="P-384"),
        jwk(EC, "a", crv="P-999"),
        jwk(EC, "a", x="A" * 43),
        jwk(ED, "a", crv="X25519"),
        jwk(ED, "a", x="AAAA"),
    ],
)
def test_unusable_keys_are_ignored(entry):
    assert key_ids(entry, jwk(EC, "good")) == ["good"]


def test_a_key_fits_only_its_own_algorithms():
    names = ["RS256", "PS512", "ES256", "ES384", "ES256K", "EdDSA", "HS256", "none", ""]
    fitting = [
        [name for name in names if fits(key, name)] for key in (*(k.public_key() for k in (RSA, EC, ED)), pem(RSA))
    ]
    assert fitting == [["RS256", "PS512"], ["ES256"], ["EdDSA"], ["HS256"]]


def test_the_number_of_keys_is_limited():
    assert len(key_ids(*[jwk(RSA, str(at)) for at in range(MAX_PUBLISHED + 5)])) == MAX_PUBLISHED
