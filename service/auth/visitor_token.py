"""Sign and check the token of a visitor without an account, `1.ID.SIGNATURE`. One HMAC-SHA256, and no state.

The signature covers the origin of the page that the token was issued to. On another site's page it is not valid.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import NamedTuple

from service.auth.keyed_hash import KeyedHash
from service.auth.origins import OWN_ORIGIN
from service.auth.secret_strength import check_secret
from service.errors import ConfigurationError, InvalidInputError
from service.settings import Settings

ID_BYTES = 16
# Carries the token if there is no cookie.
VISITOR_HEADER = "Likewise-Visitor"
# The nonce of a first like. A repeated like with the same nonce counts for the same new visitor.
NONCE_HEADER = "Idempotency-Key"
# Two people who send the same guessable nonce would be one visitor.
MIN_NONCE_CHARS, MAX_NONCE_CHARS = 16, 100
# "1." + 22 of the id + "." + 43 of the signature.
TOKEN_CHARS = 68
# The version of the format. The id follows, and ends before the second dot.
_START = "1."
_ID_END = 24
# The same secret signs other data. Distinct prefixes keep it from passing as a visitor token.
_DOMAIN = b"likewise visitor 1 "
_NONCE_DOMAIN = b"likewise first like 1 "


class Visitor(NamedTuple):
    """The owner of a token. `stale` is True if the previous secret signed the token."""

    actor: str
    stale: bool


class VisitorKeys:
    """The current secret, and the previous one during a rotation. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._current = KeyedHash(signing_secret(settings))
        self._previous = _previous_key(settings)

    def mint(self, origin: str = OWN_ORIGIN, nonce: str = "") -> str:
        """Return a new visitor's token. The same nonce gives the same token, so a first like can be sent again."""
        if not nonce:
            return _token(self._current, _base64(secrets.token_bytes(ID_BYTES)), origin)
        drawn = self._current.digest(b"%b%b %b" % (_NONCE_DOMAIN, origin.encode(), nonce.encode()))
        return _token(self._current, _base64(drawn[:ID_BYTES]), origin)

    def read(self, token: str, origin: str = OWN_ORIGIN) -> Visitor | None:
        """Return the token's owner. None if it is forged, truncated or another site's."""
        if actor := _actor_of(self._current, token, origin):
            return Visitor(actor, stale=False)
        if self._previous and (actor := _actor_of(self._previous, token, origin)):
            return Visitor(actor, stale=True)
        return None

    def sign_again(self, visitor: Visitor, origin: str = OWN_ORIGIN) -> str:
        """Return the same visitor's token, signed by the current secret."""
        return _token(self._current, visitor.actor, origin)


def signing_secret(settings: Settings) -> bytes:
    """Return LIKEWISE_SECRET. Raise ConfigurationError if it is missing, short or from an example."""
    secret = settings.secret.get_secret_value()
    if reason := check_secret(secret):
        raise ConfigurationError(f"LIKEWISE_SECRET {reason}. All pods share it. `openssl rand -base64 36` makes one.")
    return secret.encode()


def mint(secret: bytes, id: bytes | None = None, *, origin: str = OWN_ORIGIN) -> str:  # noqa: A002 - the format's word
    """Return a new visitor's token for an origin. `id` is 16 bytes; it is random if not given."""
    raw = secrets.token_bytes(ID_BYTES) if id is None else id
    if len(raw) != ID_BYTES:
        raise ValueError(f"a visitor's id has {ID_BYTES} bytes, not {len(raw)}")
    return _token(KeyedHash(secret), _base64(raw), origin)


def actor_of(secret: bytes, token: str, origin: str = OWN_ORIGIN) -> str | None:
    """Return the actor of a token. None if it is forged, truncated, another site's, or not a token."""
    return _actor_of(KeyedHash(secret), token, origin)


def checked_nonce(nonce: str | None) -> str:
    """Return the nonce of a request, empty if it has none. Raise InvalidInputError if it is too short or too long."""
    if nonce is not None and not MIN_NONCE_CHARS <= len(nonce) <= MAX_NONCE_CHARS:
        allowed = f"{MIN_NONCE_CHARS} to {MAX_NONCE_CHARS}"
        raise InvalidInputError(NONCE_HEADER, f"{NONCE_HEADER} has {len(nonce)} characters; give {allowed} random ones")
    return nonce or ""


def _previous_key(settings: Settings) -> KeyedHash | None:
    secret = settings.previous_secret.get_secret_value()
    if secret and (reason := check_secret(secret)):
        raise ConfigurationError(f"LIKEWISE_PREVIOUS_SECRET {reason}. Leave it out if there is none.")
    return KeyedHash(secret.encode()) if secret else None


def _actor_of(key: KeyedHash, token: str, origin: str) -> str | None:
    if len(token) != TOKEN_CHARS or token[:2] != _START or token[_ID_END] != "." or not token.isascii():
        return None
    name = token[len(_START) : _ID_END]
    return name if hmac.compare_digest(token[_ID_END + 1 :], _sign(key, name, origin)) else None


def _token(key: KeyedHash, name: str, origin: str) -> str:
    return f"{_START}{name}.{_sign(key, name, origin)}"


def _sign(key: KeyedHash, name: str, origin: str) -> str:
    # Neither part holds a space, so no two pairs of origin and name give the same text.
    return _base64(key.digest(b"%b%b %b" % (_DOMAIN, origin.encode(), name.encode())))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
