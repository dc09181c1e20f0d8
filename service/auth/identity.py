"""Who is behind a request: a user, a user that a server names, or a visitor; and whether they may like now."""

from collections.abc import Mapping
from typing import Any

from werkzeug.http import dump_cookie, parse_cookie

from service.auth.actor_id import actor_of_user
from service.auth.api_keys import ApiKey, ApiKeys, is_key
from service.auth.client_address import Clients
from service.auth.jwt_users import Users
from service.auth.origins import OWN, Sites
from service.auth.visitor_token import HEADER, VisitorKeys
from service.errors import ForbiddenError, InvalidCredentialError, InvalidInputError
from service.ratelimit.limiter import Allowance
from service.ratelimit.policy import Quotas
from service.settings import Settings

COOKIE = "likewise_visitor"
ACTOR_HEADER = "Likewise-Actor"  # whom a server's key likes for
NONCE_HEADER = "Idempotency-Key"  # of a first like: sent again, it is the same new visitor's
MIN_NONCE_CHARS, MAX_NONCE_CHARS = 16, 100  # one that can be guessed would make two people one
COOKIE_AGE_S = 400 * 86_400  # the longest a browser keeps one
_BEARER = "bearer "


class Viewers:
    """What is needed to know viewers. Raises ConfigurationError where the settings can't work."""

    def __init__(self, settings: Settings, quotas: Quotas) -> None:
        self.visitors = VisitorKeys(settings)
        self.users = Users(settings)
        self.keys = ApiKeys(settings.api_keys)
        self.sites = Sites(settings.sites)
        self.clients = Clients(settings)
        self.quotas = quotas

    def arrive(self, environ: Mapping[str, Any]) -> "Visit":
        """A request that came. Raises ForeignSiteError."""
        return Visit(self, environ, self.sites.site_of(environ))

    def close(self) -> None:
        """End what runs in the background."""
        self.users.close()


class Visit:
    """One request, and who is behind it. What can't be verified is refused, never passed over."""

    def __init__(self, viewers: Viewers, environ: Mapping[str, Any], site: str) -> None:
        self.site = site
        self._viewers = viewers
        self._environ = environ
        self._bearer = _bearer(environ)
        self._found: str | None = None
        self._looked = False
        self._token = ""  # for the visitor to keep
        self._cookies: list[str] = []
        self._allowances: list[Allowance] = []

    def known(self) -> str | None:
        """The actor, None where nothing says who it is. Raises InvalidCredentialError, ForbiddenError."""
        if not self._looked:
            self._found = self._find()
            self._looked = True
        return self._found

    def unliking(self) -> str | None:
        """Who takes a like back: no quota refuses that. None for a stranger, who has nothing to take back."""
        actor = self.known()
        self._need_name(actor)
        return actor

    def liking(self) -> str:
        """Who likes, a new visitor where nobody is known. Raises LimitedError, and what `known` raises."""
        actor = self.known()
        self._need_name(actor)
        quotas = self._viewers.quotas
        # A server that likes for users is one address for many people.
        network = "" if self.may("like") else self._viewers.clients.network(self._environ)
        if actor is None:
            nonce = self._nonce()
            self._allowances = quotas.spend_new(network)
            actor = self._mint(nonce)
        else:
            quotas.spend_like(actor, network)
        return actor

    def may(self, scope: str) -> bool:
        """Whether an API key of this request has the scope."""
        key = self._key()
        return key is not None and key.may(scope)

    def hand_back(self) -> list[tuple[str, str]]:
        """Headers of the answer, also of an error's: who tries again must be the same person."""
        headers = [pair for allowance in self._allowances for pair in allowance.headers().items()]
        if self._token:
            headers += self._handed_token()
        return headers + [("Set-Cookie", cookie) for cookie in self._cookies]

    def cookie(self, name: str) -> str:
        """A cookie of ours; empty where none was sent, or where another site's page asks."""
        sent = self._environ.get("HTTP_COOKIE")
        return parse_cookie(sent).get(self._cookie_name(name), "") if sent and self.site == OWN else ""

    def set_cookie(self, name: str, value: str, age_s: int | None) -> None:
        """Hand a cookie back with the answer, for `age_s` seconds or (None) the browser's session; 0 deletes it."""
        name, secure = self._cookie_name(name), self._viewers.clients.is_https(self._environ)
        self._cookies.append(dump_cookie(name, value, max_age=age_s, httponly=True, samesite="Lax", secure=secure))

    def _find(self) -> str | None:
        named = self._environ.get("HTTP_LIKEWISE_ACTOR")
        if named is not None:
            return self._of_server(named)
        if self._bearer and not self._key():
            return self._viewers.users.actor_of(self._bearer)
        if token := self._environ.get("HTTP_LIKEWISE_VISITOR"):
            return self._of_token(token)
        return self._of_cookie()

    def _of_server(self, named: str) -> str:
        if not self.may("like"):
            raise ForbiddenError(f"{ACTOR_HEADER} needs an API key with the scope `like`.")
        try:
            return actor_of_user(named)
        except ValueError as reason:
            raise InvalidInputError(ACTOR_HEADER, f"{ACTOR_HEADER}: {reason}") from None

    def _of_token(self, token: str) -> str:
        visitor = self._viewers.visitors.read(token, self.site)
        if visitor is None:
            raise InvalidCredentialError("The visitor's token is not one of ours for this site; leave it out.")
        if visitor.stale:
            self._token = self._viewers.visitors.sign_again(visitor, self.site)
        return visitor.actor

    def _of_cookie(self) -> str | None:
        token = self.cookie(COOKIE)
        try:
            return self._of_token(token) if token else None
        except InvalidCredentialError:
            self.set_cookie(COOKIE, "", 0)  # no script can delete it, and it would be refused for ever
            raise

    def _mint(self, nonce: str) -> str:
        self._token = self._viewers.visitors.mint(self.site, nonce)
        self._found = self._token.split(".")[1]
        return self._found

    def _key(self) -> ApiKey | None:
        return self._viewers.keys.find(self._bearer) if self._bearer and is_key(self._bearer) else None

    def _nonce(self) -> str:
        nonce: str | None = self._environ.get("HTTP_IDEMPOTENCY_KEY")
        if nonce is None:
            return ""
        if not MIN_NONCE_CHARS <= len(nonce) <= MAX_NONCE_CHARS:
            allowed = f"{MIN_NONCE_CHARS} to {MAX_NONCE_CHARS}"
            raise InvalidInputError(
                NONCE_HEADER, f"{NONCE_HEADER} has {len(nonce)} characters; give {allowed} random ones"
            )
        return nonce

    def _need_name(self, actor: str | None) -> None:
        """A server that likes for users and forgets to say for whom must not become a new visitor each time."""
        if actor is None and self.may("like"):
            raise InvalidInputError(
                ACTOR_HEADER, f"{ACTOR_HEADER} is missing; it names the user that the key likes for"
            )

    def _handed_token(self) -> list[tuple[str, str]]:
        """A page of ours gets a cookie that no script reads; other sites' pages a header; programs both."""
        if self.site == OWN:
            self.set_cookie(COOKIE, self._token, COOKIE_AGE_S)
        is_own_page = self.site == OWN and "HTTP_SEC_FETCH_SITE" in self._environ
        return [] if is_own_page else [(HEADER, self._token)]

    def _cookie_name(self, name: str) -> str:
        """Over TLS `__Host-` keeps other hosts of a domain from setting it."""
        return f"__Host-{name}" if self._viewers.clients.is_https(self._environ) else name


def _bearer(environ: Mapping[str, Any]) -> str:
    sent: str | None = environ.get("HTTP_AUTHORIZATION")
    return sent[len(_BEARER) :].strip() if sent and sent[: len(_BEARER)].lower() == _BEARER else ""
