"""Who likes with an account: users by the JWT that their issuer signed."""

import re
from collections.abc import Sequence
from hashlib import sha256
from time import time
from typing import Any

import jwt
from jwt.exceptions import InvalidSubjectError

from service.auth.actor_id import actor_of_user
from service.auth.jwks import Jwks
from service.auth.jwt_keys import PublicKey, are_secret, checked_algorithms, fits, public_keys_in, secrets_in
from service.auth.token_cache import Remembered
from service.errors import ConfigurationError, InvalidCredentialError, KeysUnavailableError
from service.settings import Settings

MAX_TOKEN_CHARS = 4_096  # a header of a request has no more room
MAX_REMEMBERED = 10_000
REMEMBERED_S = 60.0
LEEWAY_S = 30  # the issuer's clock and a pod's are never quite the same
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_REQUIRED = ["exp", "sub", "aud"]
_SENTENCES: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "The token has expired",
    jwt.ImmatureSignatureError: "The token is not valid yet",
    jwt.InvalidAudienceError: "The token is for another audience",
    jwt.InvalidIssuerError: "The token is of another issuer",
    InvalidSubjectError: "The token's sub is not a text",
}


class Users:
    """Says who the user of a token is. ConfigurationError where the settings fit neither each other nor a key.

    A verified token is remembered for 60 seconds, or until it expires: a key that is taken away counts so much longer.
    """

    def __init__(self, settings: Settings) -> None:
        self.enabled = bool(settings.jwt_audience)
        self._algorithms = checked_algorithms(settings.jwt_algorithms)
        _check_together(settings, self._algorithms)
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer or None
        read = secrets_in if are_secret(self._algorithms) else public_keys_in
        self._keys: Sequence[PublicKey | str] = read(settings.jwt_keys.get_secret_value(), self._algorithms)
        self._jwks: Jwks | None = None
        if settings.jwks_url:
            self._jwks = Jwks(settings.jwks_url, settings.jwks_refresh_s, self._algorithms)
        self._remembered = Remembered(MAX_REMEMBERED)

    def actor_of(self, token: str) -> str:
        """The actor of the user this token was issued to.

        Raises InvalidCredentialError with a sentence that says what is wrong, or KeysUnavailableError while the
        issuer's keys could not be read yet.
        """
        if not self.enabled:
            raise InvalidCredentialError("Users' tokens are not taken here")
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidCredentialError(f"The token has more than {MAX_TOKEN_CHARS} characters")
        if not _FORM.fullmatch(token):
            raise InvalidCredentialError("The token is not three parts of base64url with dots between")
        name = sha256(token.encode()).digest()
        return self._remembered.get(name) or self._verified(name, token)

    def start(self) -> None:
        """Begin to read the issuer's keys, so that the first token finds them; only in a process that won't fork."""
        if self._jwks:
            self._jwks.start()

    def close(self) -> None:
        """End what reads the issuer's keys."""
        if self._jwks:
            self._jwks.close()

    def _verified(self, name: bytes, token: str) -> str:
        claims = self._claims(token)
        try:
            actor = actor_of_user(claims["sub"])
        except ValueError as reason:
            raise InvalidCredentialError(f"The token is of no user: {reason}") from None
        now = time()
        self._remembered.put(name, actor, min(int(claims["exp"]), now + REMEMBERED_S) - now)
        return actor

    def _claims(self, token: str) -> dict[str, Any]:
        alg, kid = self._header(token)
        keys = self._candidates(kid, alg)
        for key in keys:
            try:
                return self._decode(token, key, alg)
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as reason:
                raise InvalidCredentialError(_sentence(reason)) from None
        if self._jwks and not self._jwks.ready:
            raise KeysUnavailableError
        raise InvalidCredentialError(
            "The token's signature is not valid" if keys else "The token is signed with a key that is not known here"
        )

    def _header(self, token: str) -> tuple[str, str | None]:
        """What the token says of itself; `alg` only chooses among what is allowed, and no URL or key is looked at."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise InvalidCredentialError("The token's header can't be read") from None
        alg = header.get("alg")
        if not isinstance(alg, str) or alg not in self._algorithms:
            raise InvalidCredentialError("The token is signed by an algorithm that is not taken here")
        if "crit" in header:
            raise InvalidCredentialError("The token asks for an extension that is not known here")
        return alg, header.get("kid")

    def _candidates(self, kid: str | None, alg: str) -> Sequence[PublicKey | str]:
        own = [key for key in self._keys if fits(key, alg)]
        return [*own, *self._jwks.keys(kid, alg)] if self._jwks else own

    def _decode(self, token: str, key: PublicKey | str, alg: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[alg],
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED, "verify_jti": False},
        )


def _check_together(settings: Settings, algorithms: frozenset[str]) -> None:
    keys = bool(settings.jwt_keys.get_secret_value().strip())
    if settings.jwt_audience and not keys and not settings.jwks_url:
        raise ConfigurationError("LIKEWISE_JWT_AUDIENCE needs keys: give LIKEWISE_JWT_KEYS or LIKEWISE_JWKS_URL")
    if not settings.jwt_audience and (keys or settings.jwks_url):
        raise ConfigurationError("LIKEWISE_JWT_AUDIENCE is missing: keys alone don't say whom tokens must be for")
    if settings.jwks_url and are_secret(algorithms):
        raise ConfigurationError("LIKEWISE_JWKS_URL gives public keys, and LIKEWISE_JWT_ALGORITHMS says HS: secrets")


def _sentence(reason: jwt.PyJWTError) -> str:
    if isinstance(reason, jwt.MissingRequiredClaimError):
        return f"The token has no {reason.claim}"
    return _SENTENCES.get(type(reason), "The token's claims can't be read")
