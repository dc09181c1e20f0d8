"""Who is asking: the visitor of a request, from a header or a cookie, and a new one on a first like."""

from flask import Request, Response, g, request

from service.security import visitor
from service.security.minting import MintLimit
from service.security.networks import client_address, is_trusted, network_of, parse_networks
from service.settings import Settings

COOKIE = "likewise_visitor"
COOKIE_AGE_S = 400 * 86_400  # the longest a browser keeps one


class Visitors:
    """Finds, mints and hands back visitors' tokens. ConfigurationError where the settings can't sign."""

    def __init__(self, settings: Settings) -> None:
        self._secret = visitor.signing_secret(settings)
        self._trusted = parse_networks(settings.trusted_proxies)
        self._limit = MintLimit(settings.mint_limit)

    def known(self) -> str | None:
        """The actor of this request; None without a token that is ours."""
        for token in (request.headers.get(visitor.HEADER), request.cookies.get(COOKIE)):
            if token and (actor := visitor.actor_of(self._secret, token)):
                return actor
        return None

    def known_or_new(self) -> str:
        """The actor of this request, minted where there is none. Raises TooManyVisitorsError."""
        return self.known() or self._new()

    def hand_back(self, response: Response) -> Response:
        """Give a new visitor the token, also with an error: who tries again must be the same person."""
        if token := g.get("new_visitor"):
            response.headers[visitor.HEADER] = token
            response.headers.update(g.allowance.headers())
            secure = self._is_https(request)
            response.set_cookie(COOKIE, token, max_age=COOKIE_AGE_S, httponly=True, samesite="Lax", secure=secure)
        return response

    def _new(self) -> str:
        g.allowance = self._limit.spend(self._network(request))
        g.new_visitor = visitor.mint(self._secret)
        return g.new_visitor.split(".")[1]  # type: ignore[no-any-return]

    def _network(self, asked: Request) -> str:
        forwarded = asked.headers.get("X-Forwarded-For", "")
        return network_of(client_address(asked.remote_addr or "", forwarded, self._trusted))

    def _is_https(self, asked: Request) -> bool:
        if asked.scheme == "https":
            return True
        said = asked.headers.get("X-Forwarded-Proto", "")
        return said == "https" and is_trusted(asked.remote_addr or "", self._trusted)
