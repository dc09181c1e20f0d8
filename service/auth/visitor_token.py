"""Sign and check the token of a visitor without an account, `1.ID.SIGNATURE`. One HMAC-SHA256, and no state.

The signature covers the origin of the page that the token was issued to. On another site's page it is not valid.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from service.auth.origins import OWN_ORIGIN
from service.auth.secret_strength import check_secret
from service.errors import ConfigurationError
from service.settings import Settings

ID_BYTES = 16
# Carries the token if there is no cookie.
VISITOR_HEADER = "Likewise-Visitor"
# "1." + 22 of the id + "." + 43 of the signature.
TOKEN_CHARS = 68
_VERSION = "1"
_ID_CHARS = 22
# The same secret signs other data. Distinct prefixes keep it from passing as a visitor token.
_DOMAIN = b"likewise visitor 1 "
_NONCE_DOMAIN = b"likewise first like 1 "


@dataclass(frozen=True, slots=True)
class Visitor:
    """The owner of a token. `stale` is True if the previous secret signed the token."""

    actor: str
    stale: bool


class VisitorKeys:
    """The current secret, and the previous one during a rotation. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._current = signing_secret(settings)
        self._previous = _previous_secret(settings)

    def mint(self, origin: str = OWN_ORIGIN, nonce: str = "") -> str:
        """Return a new visitor's token. The same nonce gives the same token, so a first like can be sent again."""
        if not nonce:
            return mint(self._current, origin=origin)
        drawn = hmac.digest(self._current, b"%b%b %b" % (_NONCE_DOMAIN, origin.encode(), nonce.encode()), "sha256")
        return mint(self._current, drawn[:ID_BYTES], origin=origin)

    def read(self, token: str, origin: str = OWN_ORIGIN) -> Visitor | None:
        """Return the token's owner. None if it is forged, truncated or another site's."""
        if actor := actor_of(self._current, token, origin):
            return Visitor(actor, stale=False)
        if self._previous and (actor := actor_of(self._previous, token, origin)):
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
    return _token(secret, _base64(raw), origin)


def actor_of(secret: bytes, token: str, origin: str = OWN_ORIGIN) -> str | None:
    """Return the actor of a token. None if it is forged, truncated, another site's, or not a token."""
    if len(token) != TOKEN_CHARS or not token.isascii():
        return None
    version, _, rest = token.partition(".")
    name, _, signature = rest.partition(".")
    if version != _VERSION or len(name) != _ID_CHARS:
        return None
    return name if hmac.compare_digest(signature, _sign(secret, name, origin)) else None


def _previous_secret(settings: Settings) -> bytes | None:
    secret = settings.previous_secret.get_secret_value()
    if secret and (reason := check_secret(secret)):
        raise ConfigurationError(f"LIKEWISE_PREVIOUS_SECRET {reason}. Leave it out if there is none.")
    return secret.encode() or None


def _token(secret: bytes, name: str, origin: str) -> str:
    return f"{_VERSION}.{name}.{_sign(secret, name, origin)}"


def _sign(secret: bytes, name: str, origin: str) -> str:
    # Neither part holds a space, so no two pairs of origin and name give the same text.
    return _base64(hmac.digest(secret, b"%b%b %b" % (_DOMAIN, origin.encode(), name.encode()), "sha256"))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
