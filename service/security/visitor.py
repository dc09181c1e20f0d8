"""A visitor's signed token, `1.ID.SIGNATURE`: who likes without an account. One HMAC-SHA256, and no state."""

import hmac
import secrets
from base64 import urlsafe_b64encode

from service.errors import ConfigurationError
from service.settings import Settings

MIN_SECRET_CHARS = 32
ID_BYTES = 16
HEADER = "Likewise-Visitor"  # carries a token where there is no cookie
TOKEN_CHARS = 68  # "1." + 22 of the id + "." + 43 of the signature
_VERSION = "1"
_ID_CHARS = 22
_DOMAIN = b"likewise visitor 1 "  # the same secret may sign other things: none of them passes for a visitor


def signing_secret(settings: Settings) -> bytes:
    """The secret of the settings, or ConfigurationError where it is missing or short enough to guess."""
    secret = settings.secret.get_secret_value()
    if len(secret) < MIN_SECRET_CHARS:
        raise ConfigurationError(
            f"LIKEWISE_SECRET has {len(secret)} characters; give {MIN_SECRET_CHARS} or more random ones, "
            "the same for every pod"
        )
    return secret.encode()


def mint(secret: bytes, id: bytes | None = None) -> str:  # noqa: A002 - the word of the token's format
    """A new visitor's token; `id` is 16 bytes, random where not given."""
    raw = secrets.token_bytes(ID_BYTES) if id is None else id
    if len(raw) != ID_BYTES:
        raise ValueError(f"a visitor's id has {ID_BYTES} bytes, not {len(raw)}")
    name = _text(raw)
    return f"{_VERSION}.{name}.{_sign(secret, name)}"


def actor_of(secret: bytes, token: str) -> str | None:
    """The actor a token was minted for; None where it is forged, cut short or no token at all."""
    if len(token) != TOKEN_CHARS or not token.isascii():
        return None
    version, _, rest = token.partition(".")
    name, _, signature = rest.partition(".")
    if version != _VERSION or len(name) != _ID_CHARS:
        return None
    return name if hmac.compare_digest(signature, _sign(secret, name)) else None


def _sign(secret: bytes, name: str) -> str:
    return _text(hmac.digest(secret, _DOMAIN + name.encode(), "sha256"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
