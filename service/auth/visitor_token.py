"""A visitor's signed token, `1.ID.SIGNATURE`: who likes without an account. One HMAC-SHA256, and no state.

The signature covers the site it was made for, so a token that one site's page holds is worth nothing on another's.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from service.auth.origins import OWN
from service.auth.secret_strength import weakness
from service.errors import ConfigurationError
from service.settings import Settings

ID_BYTES = 16
HEADER = "Likewise-Visitor"  # carries a token where there is no cookie
TOKEN_CHARS = 68  # "1." + 22 of the id + "." + 43 of the signature
_VERSION = "1"
_ID_CHARS = 22
_DOMAIN = b"likewise visitor 1 "  # the same secret may sign other things: none of them passes for a visitor
_NONCE_DOMAIN = b"likewise first like 1 "


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a token was made for; `stale` where the secret before the current one signed it."""

    actor: str
    stale: bool


class VisitorKeys:
    """The secret that signs, and the one before it while it is being changed. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._current = signing_secret(settings)
        self._previous = _previous_secret(settings)

    def mint(self, site: str = OWN, nonce: str = "") -> str:
        """A new visitor's token; the same one for the same nonce, so that a first like may be sent again."""
        if not nonce:
            return mint(self._current, site=site)
        drawn = hmac.digest(self._current, b"%b%b %b" % (_NONCE_DOMAIN, site.encode(), nonce.encode()), "sha256")
        return mint(self._current, drawn[:ID_BYTES], site=site)

    def read(self, token: str, site: str = OWN) -> Visitor | None:
        """Whom the token was made for at this site; None where it is forged, cut short or another site's."""
        if actor := actor_of(self._current, token, site):
            return Visitor(actor, stale=False)
        if self._previous and (actor := actor_of(self._previous, token, site)):
            return Visitor(actor, stale=True)
        return None

    def sign_again(self, visitor: Visitor, site: str = OWN) -> str:
        """The same visitor's token, by the current secret."""
        return _token(self._current, visitor.actor, site)


def signing_secret(settings: Settings) -> bytes:
    """The secret of the settings, or ConfigurationError where it is missing, short or one from some documentation."""
    secret = settings.secret.get_secret_value()
    if why := weakness(secret):
        raise ConfigurationError(
            f"LIKEWISE_SECRET {why}. It is the same for every pod; `openssl rand -base64 36` makes one"
        )
    return secret.encode()


def mint(secret: bytes, id: bytes | None = None, *, site: str = OWN) -> str:  # noqa: A002 - the token format's word
    """A new visitor's token for a site; `id` is 16 bytes, random where not given."""
    raw = secrets.token_bytes(ID_BYTES) if id is None else id
    if len(raw) != ID_BYTES:
        raise ValueError(f"a visitor's id has {ID_BYTES} bytes, not {len(raw)}")
    return _token(secret, _text(raw), site)


def actor_of(secret: bytes, token: str, site: str = OWN) -> str | None:
    """The actor a token was minted for; None where it is forged, cut short, another site's or no token at all."""
    if len(token) != TOKEN_CHARS or not token.isascii():
        return None
    version, _, rest = token.partition(".")
    name, _, signature = rest.partition(".")
    if version != _VERSION or len(name) != _ID_CHARS:
        return None
    return name if hmac.compare_digest(signature, _sign(secret, name, site)) else None


def _previous_secret(settings: Settings) -> bytes | None:
    secret = settings.previous_secret.get_secret_value()
    if secret and (why := weakness(secret)):
        raise ConfigurationError(f"LIKEWISE_PREVIOUS_SECRET {why}; leave it out where there is none")
    return secret.encode() or None


def _token(secret: bytes, name: str, site: str) -> str:
    return f"{_VERSION}.{name}.{_sign(secret, name, site)}"


def _sign(secret: bytes, name: str, site: str) -> str:
    # Neither part holds a space: no site and name are taken for another site and name.
    return _text(hmac.digest(secret, b"%b%b %b" % (_DOMAIN, site.encode(), name.encode()), "sha256"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
