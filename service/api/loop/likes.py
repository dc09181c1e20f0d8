"""Likes and unlikes in the event loop. A request ends here, and goes on when Redis has answered its batch."""

from service.api.http.number_format import preferred_locale
from service.api.http.rendering import LIKE_HEADERS, like_body
from service.api.http.request_context import IDENTITY, cors_headers
from service.api.loop.metrics import LoopMetrics
from service.api.loop.ports import Exchange, NonBlockingLikeCounter
from service.auth.identity import Authenticator, RequestIdentity
from service.core.likes import Likes, LikeState, validate_id


class LoopLikes:
    """Begins likes. Holds what all of them need."""

    def __init__(
        self, likes: Likes, authenticator: Authenticator, metrics: LoopMetrics, counter: NonBlockingLikeCounter
    ) -> None:
        self.authenticator = authenticator
        self.metrics = metrics
        self._likes = likes
        self._counter = counter

    def begin(self, exchange: Exchange, post: str) -> bool:
        """Check and count one request. Return False, with nothing counted, if Flask must answer it."""
        if not self.authenticator.can_identify_at_once(exchange.environ):
            return False
        like = _Like(self, exchange)
        try:
            return self._submit(like, post)
        except Exception as error:
            like.fail(error)
            return True

    def _submit(self, like: "_Like", post: str) -> bool:
        # A bad id must not make a visitor, so it is checked first.
        post_id = validate_id(post, "post")
        like.identity = identity = self.authenticator.identify(like.exchange.environ)
        likes = like.exchange.method == "PUT"
        actor = identity.authorize_like() if likes else identity.authorize_unlike()
        if actor is None:
            # An unknown visitor has no like to take back, and gets the current state.
            return False
        self._counter.begin(self._likes.request(post_id, actor, likes), like.finish)
        return True


class _Like:
    """A like on its way."""

    __slots__ = ("_likes", "exchange", "identity")

    def __init__(self, likes: LoopLikes, exchange: Exchange) -> None:
        self._likes = likes
        self.exchange = exchange
        self.identity: RequestIdentity | None = None

    def finish(self, outcome: LikeState | Exception) -> None:
        """Answer with the outcome. Raises nothing."""
        try:
            if isinstance(outcome, Exception):
                self.fail(outcome)
            else:
                self._answer(outcome)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let Flask answer with the error, as any other."""
        known: dict[str, object] = {IDENTITY: self.identity} if self.identity else {}
        self.exchange.hand_over(error, **known)

    def _answer(self, state: LikeState) -> None:
        exchange, identity = self.exchange, self.identity
        assert identity is not None
        environ = exchange.environ
        body = like_body(state, preferred_locale(environ.get("HTTP_ACCEPT_LANGUAGE", "")))
        status = "201 CREATED" if state.changed and state.liked else "200 OK"
        headers = LIKE_HEADERS
        if more := identity.response_headers():
            headers += tuple(more)
        if "HTTP_ORIGIN" in environ:
            headers += tuple(cors_headers(self._likes.authenticator, environ["HTTP_ORIGIN"]))
        self._likes.metrics.observe_like(exchange, state, status)
        exchange.respond(status, headers, body)
