"""Verifiers that trust the test's issuer, and the message with which a token is refused."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from service.auth.jwt_users import JwtUsers
from service.errors import InvalidCredentialError, KeysUnavailableError
from service.settings import Settings
from tests.support.auth.jwt_issuer import AUDIENCE, EC, ED, ISSUER, RSA, SECRET, pem, token

ALL_KEYS = "\n".join(pem(key) for key in (RSA, EC, ED))


def users_of(jwt_keys: str = ALL_KEYS, **changes: object) -> JwtUsers:
    return JwtUsers(Settings(**{"jwt_audience": AUDIENCE, "jwt_issuer": ISSUER, "jwt_keys": jwt_keys, **changes}))


USERS = users_of()
BY_SECRET = users_of(SECRET, jwt_algorithms=["HS256"])


def refused(given_token: str, users: JwtUsers = USERS) -> str:
    """Return the message with which a token is refused. It must not repeat a part of the token."""
    with pytest.raises(InvalidCredentialError) as raised:
        users.authenticate(given_token)
    message = str(raised.value)
    assert len(message) < 150
    assert not [part for part in given_token.split(".") if len(part) > 20 and part in message]
    return message


def now() -> int:
    return int(time.time())


def rsa_by(key: rsa.RSAPrivateKey):
    return lambda signed: key.sign(signed, padding.PKCS1v15(), SHA256())


def is_known(users: JwtUsers, given_token: str) -> bool:
    try:
        return bool(users.authenticate(given_token))
    except KeysUnavailableError:
        return False


TRUE = token(ED, "EdDSA", exp=now() + 86_400)
