"""Protect HTML forms that work without JavaScript: a token against forgery, and a check of where they redirect to.

The token is a signed double-submit cookie (OWASP): the HMAC of a random cookie. A form that another site made or copied
does not match the cookie of the browser that submits it. No state is kept.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from service.auth.identity import RequestIdentity
from service.auth.origins import AllowedOrigins
from service.auth.visitor_token import signing_secret
from service.errors import ForbiddenError, InvalidInputError
from service.settings import Settings

COOKIE = "likewise_form"
FIELD = "csrf"
_DOMAIN = b"likewise form 1 "


class StaleFormError(ForbiddenError):
    """The form belongs to another session. Go back, reload the page, and try again."""


class CsrfTokens:
    """Issues and verifies the tokens of forms. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._secret = signing_secret(settings)

    def issue(self, identity: RequestIdentity) -> str:
        """Return the token for a form on the page of the current response."""
        nonce = identity.cookie(COOKIE)
        if not nonce:
            nonce = secrets.token_urlsafe(16)
            identity.set_cookie(COOKIE, nonce, None)
        return self._sign(nonce)

    def verify(self, identity: RequestIdentity, token: str) -> None:
        """Raise StaleFormError if the token was not issued to this browser."""
        nonce = identity.cookie(COOKIE)
        if not nonce or not hmac.compare_digest(self._sign(nonce).encode(), token.encode("utf-8", "replace")):
            raise StaleFormError

    def _sign(self, nonce: str) -> str:
        digest = hmac.digest(self._secret, _DOMAIN + nonce.encode("utf-8", "replace"), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def return_address(wanted: str, host: str, origins: AllowedOrigins) -> str:
    """Return `wanted` if it is a path of this service or an address of an allowed origin, else raise InvalidInputError.

    This prevents open redirects.
    """
    plain = wanted.isascii() and wanted.isprintable() and not {" ", "\\"} & set(wanted)
    if plain and wanted.startswith("/") and not wanted.startswith("//"):
        return wanted
    try:
        parts = urlsplit(wanted)
    except ValueError:
        plain = False
    if not plain or not (
        origins.is_allowed(f"{parts.scheme}://{parts.netloc}") or _is_this_host(parts.netloc, parts.scheme, host)
    ):
        raise InvalidInputError(
            "return", "return must be a path of this service, or an address of an origin in LIKEWISE_SITES"
        )
    return wanted


def _is_this_host(netloc: str, scheme: str, host: str) -> bool:
    return netloc == host and scheme in {"http", "https"}
