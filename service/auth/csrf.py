"""Forms of pages of ours that work without JavaScript: a token against forgery, and where they may lead back to.

A signed double-submit cookie (OWASP): the form's token is the HMAC of a random cookie, so a form that another site
made, or copied, does not fit the cookie of who sends it. No state is kept.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from service.auth.identity import Visit
from service.auth.origins import Sites
from service.auth.visitor_token import signing_secret
from service.errors import ForbiddenError, InvalidInputError
from service.settings import Settings

COOKIE = "likewise_form"
FIELD = "csrf"
_DOMAIN = b"likewise form 1 "
_SESSION = None  # gone with the browser's session


class StaleFormError(ForbiddenError):
    """This form is of another session. Go back, load the page again, and try once more."""


class Forms:
    """Makes and checks forms' tokens. Raises ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._secret = signing_secret(settings)

    def token(self, visit: Visit) -> str:
        """The token for a form on the page that is answered now."""
        nonce = visit.cookie(COOKIE)
        if not nonce:
            nonce = secrets.token_urlsafe(16)
            visit.set_cookie(COOKIE, nonce, _SESSION)
        return self._sign(nonce)

    def check(self, visit: Visit, token: str) -> None:
        """Raise StaleFormError where the token is not of a form that we gave to this browser."""
        nonce = visit.cookie(COOKIE)
        if not nonce or not hmac.compare_digest(self._sign(nonce).encode(), token.encode("utf-8", "replace")):
            raise StaleFormError

    def _sign(self, nonce: str) -> str:
        digest = hmac.digest(self._secret, _DOMAIN + nonce.encode("utf-8", "replace"), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def return_address(wanted: str, host: str, sites: Sites) -> str:
    """`wanted`, a path here or an address of a site we trust, or InvalidInputError: we lead nobody astray."""
    plain = wanted.isascii() and wanted.isprintable() and not {" ", "\\"} & set(wanted)
    if plain and wanted.startswith("/") and not wanted.startswith("//"):
        return wanted
    try:
        parts = urlsplit(wanted)
    except ValueError:
        plain = False
    if not plain or not (
        sites.trusts(f"{parts.scheme}://{parts.netloc}") or _is_here(parts.netloc, parts.scheme, host)
    ):
        raise InvalidInputError("return", "return is no path of this service and no address of LIKEWISE_SITES")
    return wanted


def _is_here(netloc: str, scheme: str, host: str) -> bool:
    return netloc == host and scheme in {"http", "https"}
