"""Identify the actor of a request, and authorize likes: users, users that a server names, and visitors."""

from collections.abc import Mapping
from typing import Any

from werkzeug.http import dump_cookie, parse_cookie

from service.auth.actor_id import actor_of_user
from service.auth.api_keys import ApiKey, ApiKeys, is_api_key
from service.auth.client_address import ClientResolver
from service.auth.jwt_users import JwtUsers
from service.auth.origins import OWN_ORIGIN, AllowedOrigins
from service.auth.visitor_token import VISITOR_HEADER, VisitorKeys, checked_nonce
from service.errors import ForbiddenError, InvalidCredentialError, InvalidInputError
from service.ratelimit.limiter import WindowStats
from service.ratelimit.policy import RateLimits
from service.settings import Settings

VISITOR_COOKIE = "likewise_visitor"
# The user for whom a server's key likes.
ACTOR_HEADER = "Likewise-Actor"
# The longest time that browsers keep a cookie.
COOKIE_AGE_S = 400 * 86_400
_BEARER = "bearer "


class Authenticator:
    """Verifies every kind of credential. Raises ConfigurationError if the settings contradict each other."""

    def __init__(self, settings: Settings, rate_limits: RateLimits) -> None:
        self.visitors = VisitorKeys(settings)
        self.users = JwtUsers(settings)
        self.keys = ApiKeys(settings.api_keys)
        self.origins = AllowedOrigins(settings.sites)
        self.clients = ClientResolver(settings)
        self.rate_limits = rate_limits

    def identify(self, environ: Mapping[str, Any]) -> "RequestIdentity":
        """Return the identity of a request. Its methods verify the credentials. Raises ForeignSiteError."""
        return RequestIdentity(self, environ, self.origins.request_origin(environ))

    def can_identify_at_once(self, environ: Mapping[str, Any]) -> bool:
        """Return whether a request can be identified without verifying a signature of a user's token, which is slow."""
        bearer = _bearer(environ)
        return not bearer or is_api_key(bearer) or self.users.has_verified(bearer)

    def close(self) -> None:
        """Stop the background tasks."""
        self.users.close()


class RequestIdentity:
    """The identity behind one request. A credential that cannot be verified is refused, never ignored."""

    def __init__(self, authenticator: Authenticator, environ: Mapping[str, Any], origin: str) -> None:
        self.origin = origin
        self._authenticator = authenticator
        self._environ = environ
        self._bearer = _bearer(environ)
        self._actor: str | None = None
        self._is_verified = False
        # The token that the response sends to the visitor.
        self._token = ""
        self._cookies: list[str] = []
        self._stats: list[WindowStats] = []

    def actor(self) -> str | None:
        """Return the actor. None without a credential. Raises InvalidCredentialError, ForbiddenError."""
        if not self._is_verified:
            self._actor = self._verify()
            self._is_verified = True
        return self._actor

    def authorize_unlike(self) -> str | None:
        """Return the actor who takes a like back. No rate limit applies.

        None for an unknown visitor, who has no like to take back.
        """
        actor = self.actor()
        self._require_actor_header(actor)
        return actor

    def authorize_like(self) -> str:
        """Return the actor who likes. Without a credential, make a new visitor.

        Raises RateLimitExceededError, and the errors of `actor`.
        """
        actor = self.actor()
        self._require_actor_header(actor)
        limits = self._authenticator.rate_limits
        # A server that likes for users has one address for many people.
        network = "" if self.has_scope("like") else self._authenticator.clients.limited_network(self._environ)
        if actor is None:
            nonce = checked_nonce(self._environ.get("HTTP_IDEMPOTENCY_KEY"))
            self._stats = limits.hit_new_visitor(network)
            return self._mint(nonce)
        limits.hit_like(actor, network)
        return actor

    def has_scope(self, scope: str) -> bool:
        """Return whether the request has an API key with the scope."""
        key = self._key()
        return key is not None and key.has_scope(scope)

    def response_headers(self) -> list[tuple[str, str]]:
        """Return headers for the response, also of an error, so that a retry counts for the same visitor."""
        if not self._token and not self._cookies:
            return []
        headers = [pair for stats in self._stats for pair in stats.headers().items()]
        if self._token:
            headers += self._token_headers()
        return headers + [("Set-Cookie", cookie) for cookie in self._cookies]

    def cookie(self, name: str) -> str:
        """Return a cookie of this service. Empty if there is none, or if the page is another site's."""
        sent = self._environ.get("HTTP_COOKIE")
        if not sent or self.origin != OWN_ORIGIN:
            return ""
        return parse_cookie(sent).get(self._cookie_name(name), "")

    def set_cookie(self, name: str, value: str, age_s: int | None) -> None:
        """Add a cookie to the response, for `age_s` seconds or (None) the browser's session. 0 deletes it."""
        name, secure = self._cookie_name(name), self._authenticator.clients.is_https(self._environ)
        self._cookies.append(dump_cookie(name, value, max_age=age_s, httponly=True, samesite="Lax", secure=secure))

    def _verify(self) -> str | None:
        named = self._environ.get("HTTP_LIKEWISE_ACTOR")
        if named is not None:
            return self._actor_named_by_server(named)
        if self._bearer and not self._key():
            return self._authenticator.users.authenticate(self._bearer)
        if token := self._environ.get("HTTP_LIKEWISE_VISITOR"):
            return self._actor_of_token(token)
        return self._actor_of_cookie()

    def _actor_named_by_server(self, named: str) -> str:
        if not self.has_scope("like"):
            raise ForbiddenError(f"{ACTOR_HEADER} needs an API key with the scope `like`.")
        try:
            return actor_of_user(named)
        except ValueError as reason:
            raise InvalidInputError(ACTOR_HEADER, f"{ACTOR_HEADER}: {reason}") from None

    def _actor_of_token(self, token: str) -> str:
        visitor = self._authenticator.visitors.read(token, self.origin)
        if visitor is None:
            raise InvalidCredentialError("The visitor token is not valid for this site. Leave it out to get a new one.")
        if visitor.stale:
            self._token = self._authenticator.visitors.sign_again(visitor, self.origin)
        return visitor.actor

    def _actor_of_cookie(self) -> str | None:
        token = self.cookie(VISITOR_COOKIE)
        try:
            return self._actor_of_token(token) if token else None
        except InvalidCredentialError:
            # No script can delete the cookie, so it would be refused forever.
            self.set_cookie(VISITOR_COOKIE, "", 0)
            raise

    def _mint(self, nonce: str) -> str:
        self._token = self._authenticator.visitors.mint(self.origin, nonce)
        self._actor = self._token.split(".")[1]
        return self._actor

    def _key(self) -> ApiKey | None:
        return self._authenticator.keys.find(self._bearer) if self._bearer and is_api_key(self._bearer) else None

    def _require_actor_header(self, actor: str | None) -> None:
        """Refuse a server's request that names no user. Each like would count for a new visitor."""
        if actor is None and self.has_scope("like"):
            raise InvalidInputError(ACTOR_HEADER, f"{ACTOR_HEADER} is missing; it names the user who likes")

    def _token_headers(self) -> list[tuple[str, str]]:
        """Return the header that carries the token, and set the cookie.

        A page of this service gets the cookie only, which no script can read. Other sites' pages get the header only.
        Programs get both.
        """
        if self.origin == OWN_ORIGIN:
            self.set_cookie(VISITOR_COOKIE, self._token, COOKIE_AGE_S)
        is_own_page = self.origin == OWN_ORIGIN and "HTTP_SEC_FETCH_SITE" in self._environ
        return [] if is_own_page else [(VISITOR_HEADER, self._token)]

    def _cookie_name(self, name: str) -> str:
        """Return the cookie's full name. Over TLS, `__Host-` keeps other hosts of the domain from setting it."""
        return f"__Host-{name}" if self._authenticator.clients.is_https(self._environ) else name


def _bearer(environ: Mapping[str, Any]) -> str:
    sent: str | None = environ.get("HTTP_AUTHORIZATION")
    return sent[len(_BEARER) :].strip() if sent and sent[: len(_BEARER)].lower() == _BEARER else ""
