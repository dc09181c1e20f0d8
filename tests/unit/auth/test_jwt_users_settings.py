"""Contradictory keys and settings of users are named at the start."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from service.errors import ConfigurationError
from tests.support.auth.jwt_issuer import (
    EC,
    RSA,
    SECRET,
    pem,
    private_pem,
    token,
)
from tests.support.auth.jwt_users import ALL_KEYS, users_of

SMALL = rsa.generate_private_key(65_537, 1_024)
P384 = ec.generate_private_key(ec.SECP384R1())
SAMPLE = "change-me-0123456789-abcdefghijklmnop"
WRONG = [
    ({"jwt_algorithms": ["none"]}, "LIKEWISE_JWT_ALGORITHMS: 'none' is not supported"),
    ({"jwt_algorithms": ["RS256", "nOnE"]}, "LIKEWISE_JWT_ALGORITHMS: 'nOnE' is not supported"),
    ({"jwt_algorithms": ["rs256"]}, "LIKEWISE_JWT_ALGORITHMS: 'rs256' is not supported"),
    ({"jwt_algorithms": ["ES521"]}, "LIKEWISE_JWT_ALGORITHMS: 'ES521' is not supported"),
    ({"jwt_algorithms": ["HS256", "RS256"]}, "LIKEWISE_JWT_ALGORITHMS mixes HS with other"),
    ({"jwt_algorithms": []}, "LIKEWISE_JWT_ALGORITHMS is empty"),
    ({"jwt_keys": ""}, "LIKEWISE_JWT_AUDIENCE needs keys"),
    ({"jwt_keys": " \n"}, "LIKEWISE_JWT_AUDIENCE needs keys"),
    ({"jwt_audience": ""}, "LIKEWISE_JWT_AUDIENCE is missing"),
    ({"jwt_audience": "", "jwt_keys": "", "jwks_url": "https://a.test/"}, "LIKEWISE_JWT_AUDIENCE is missing"),
    ({"jwks_url": "http://a.test/"}, "LIKEWISE_JWKS_URL must be https"),
    ({"jwks_url": "https://a.test/", "jwt_algorithms": ["HS256"]}, "LIKEWISE_JWT_ALGORITHMS has HS"),
    ({"jwt_keys": "secret"}, "LIKEWISE_JWT_KEYS holds text that is not PEM"),
    ({"jwt_keys": pem(RSA) + "x"}, "LIKEWISE_JWT_KEYS holds text that is not PEM"),
    ({"jwt_keys": pem(RSA)[:200]}, "LIKEWISE_JWT_KEYS holds text that is not PEM"),
    ({"jwt_keys": pem(RSA) + pem(RSA).replace("A", "*")}, "LIKEWISE_JWT_KEYS key 2 cannot be read"),
    (
        {"jwt_keys": pem(RSA).replace("PUBLIC KEY", "CERTIFICATE")},
        "key 1 cannot be read. Give a public key in PEM, not a cert",
    ),
    ({"jwt_keys": private_pem(RSA)}, "LIKEWISE_JWT_KEYS key 1 is a private key. Give the public one"),
    ({"jwt_keys": pem(RSA) + private_pem(EC)}, "LIKEWISE_JWT_KEYS key 2 is a private key"),
    ({"jwt_keys": pem(SMALL)}, "LIKEWISE_JWT_KEYS key 1 is RSA of 1024 bits. Give 2048 or more"),
    ({"jwt_keys": pem(P384)}, "LIKEWISE_JWT_KEYS key 1 is for none of LIKEWISE_JWT_ALGORITHMS, ES256, EdDSA, RS256"),
    ({"jwt_algorithms": ["HS256"]}, "LIKEWISE_JWT_KEYS holds PEM, but LIKEWISE_JWT_ALGORITHMS has HS"),
    ({"jwt_algorithms": ["HS256"], "jwt_keys": SECRET[:31]}, "LIKEWISE_JWT_KEYS secret 1 has 31 characters"),
    ({"jwt_algorithms": ["HS512"], "jwt_keys": SECRET}, "secret 1 has 40 characters; HS512 needs 64 or more"),
    ({"jwt_algorithms": ["HS256"], "jwt_keys": f"{SECRET} {SAMPLE}"}, "LIKEWISE_JWT_KEYS secret 2 looks like a sample"),
    (
        {"jwt_algorithms": ["HS256"], "jwt_keys": '{"kty":"oct","k":"kP3vX9mQ2wL7rT5y"}'},
        "secret 1 is a public key or JWK",
    ),
]


@pytest.mark.parametrize(("changes", "what"), WRONG, ids=[what for _, what in WRONG])
def test_the_error_names_contradictory_settings(changes, what):
    with pytest.raises(ConfigurationError) as raised:
        users_of(**{"jwt_keys": ALL_KEYS, **changes})
    message = str(raised.value)
    assert what in message
    assert not [
        secret for secret in (SECRET, SECRET[:31], SAMPLE, private_pem(RSA)[50:90], "kP3vX9") if secret in message
    ]


def test_a_key_may_be_on_one_line():
    assert users_of(pem(RSA).replace("\n", "\\n")).authenticate(token()) == "user:anna"
