"""Identify users with an account by the JWT that their issuer signed."""

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
from service.auth.token_cache import TokenCache
from service.errors import ConfigurationError, InvalidCredentialError, KeysUnavailableError
from service.settings import Settings

# A header of a request has no room for more.
MAX_TOKEN_CHARS = 4_096
CACHE_SIZE = 10_000
CACHE_S = 60.0
# The issuer's clock and a pod's clock always differ a little.
LEEWAY_S = 30
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_REQUIRED = ["exp", "sub", "aud"]
_SENTENCES: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "The token has expired",
    jwt.ImmatureSignatureError: "The token is not valid yet",
    jwt.InvalidAudienceError: "The token is for another audience",
    jwt.InvalidIssuerError: "The token is from another issuer",
    InvalidSubjectError: "The token's sub is not a string",
}


class JwtUsers:
    """Verifies users' tokens. Raises ConfigurationError if the settings contradict each other, or a key.

    A verified token is cached for 60 seconds or until it expires. A removed key is accepted that much longer.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_enabled = bool(settings.jwt_audience)
        self._algorithms = checked_algorithms(settings.jwt_algorithms)
        _check_together(settings, self._algorithms)
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer or None
        read = secrets_in if are_secret(self._algorithms) else public_keys_in
        self._keys: Sequence[PublicKey | str] = read(settings.jwt_keys.get_secret_value(), self._algorithms)
        self._jwks: Jwks | None = None
        if settings.jwks_url:
            self._jwks = Jwks(settings.jwks_url, settings.jwks_refresh_s, self._algorithms)
        self._cache = TokenCache(CACHE_SIZE)

    def authenticate(self, token: str) -> str:
        """Return the actor of the user that the token was issued to.

        Raises InvalidCredentialError with the reason, or KeysUnavailableError until the issuer's keys have been read.
        """
        if not self.is_enabled:
            raise InvalidCredentialError("This service accepts no users' tokens")
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidCredentialError(f"The token has more than {MAX_TOKEN_CHARS} characters")
        if not _FORM.fullmatch(token):
            raise InvalidCredentialError("The token is not three parts of base64url, separated by dots")
        digest = _digest(token)
        return self._cache.get(digest) or self._verify(digest, token)

    def has_verified(self, token: str) -> bool:
        """Return whether the token was verified a moment ago, so that `authenticate` costs nearly nothing."""
        return self._cache.holds(_digest(token))

    def start(self) -> None:
        """Start to read the issuer's keys. Call it in a process that does not fork later."""
        if self._jwks:
            self._jwks.start()

    def close(self) -> None:
        """Stop reading the issuer's keys."""
        if self._jwks:
            self._jwks.close()

    def _verify(self, digest: bytes, token: str) -> str:
        claims = self._claims(token)
        try:
            actor = actor_of_user(claims["sub"])
        except ValueError as reason:
            raise InvalidCredentialError(f"The token names no user: {reason}") from None
        now = time()
        self._cache.put(digest, actor, min(int(claims["exp"]), now + CACHE_S) - now)
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
            "The token's signature is not valid" if keys else "The token is signed by an unknown key"
        )

    def _header(self, token: str) -> tuple[str, str | None]:
        """Return the token's `alg` and `kid`. `alg` only selects among the accepted ones. URLs and keys are ignored."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise InvalidCredentialError("The token's header cannot be read") from None
        alg = header.get("alg")
        if not isinstance(alg, str) or alg not in self._algorithms:
            raise InvalidCredentialError("The token is signed by an algorithm that is not accepted")
        if "crit" in header:
            raise InvalidCredentialError("The token requires an unknown extension")
        return alg, header.get("kid")

    def _candidates(self, kid: str | None, alg: str) -> Sequence[PublicKey | str]:
        own = [key for key in self._keys if fits(key, alg)]
        return [*own, *self._jwks.find(kid, alg)] if self._jwks else own

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


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _check_together(settings: Settings, algorithms: frozenset[str]) -> None:
    keys = bool(settings.jwt_keys.get_secret_value().strip())
    if settings.jwt_audience and not keys and not settings.jwks_url:
        raise ConfigurationError("LIKEWISE_JWT_AUDIENCE needs keys. Give LIKEWISE_JWT_KEYS or LIKEWISE_JWKS_URL.")
    if not settings.jwt_audience and (keys or settings.jwks_url):
        raise ConfigurationError("LIKEWISE_JWT_AUDIENCE is missing. It names the audience that tokens must have.")
    if settings.jwks_url and are_secret(algorithms):
        raise ConfigurationError(
            "LIKEWISE_JWKS_URL is for public keys, but LIKEWISE_JWT_ALGORITHMS has HS, which needs secrets."
        )


def _sentence(reason: jwt.PyJWTError) -> str:
    if isinstance(reason, jwt.MissingRequiredClaimError):
        return f"The token has no {reason.claim}"
    return _SENTENCES.get(type(reason), "The token's claims cannot be read")
