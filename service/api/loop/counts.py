"""Counts in the event loop. Those that are in the process' cache are answered at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from babel import Locale

from service.api.http.number_format import preferred_locale
from service.api.http.rendering import COUNT_HEADERS, SHARED, Headers, count_body, counts_body, etag_of
from service.api.http.request_context import cors_headers
from service.api.loop.metrics import LoopMetrics
from service.api.loop.ports import Exchange
from service.auth.identity import Authenticator
from service.core.likes import Likes, LikeState

# Posts in all answers that are kept. An answer may have 100 posts, and lists may come in any order.
_MAX_RENDERED_POSTS = 10_000


class _Rendered(NamedTuple):
    """An answer, and what it was rendered from."""

    states: Sequence[LikeState]
    locale: Locale
    etag: str
    headers: Headers
    body: bytes


class LoopCounts:
    """Answers with counts. An answer is rendered once for each state of a post and each language."""

    def __init__(self, likes: Likes, authenticator: Authenticator, metrics: LoopMetrics) -> None:
        self._likes = likes
        self._authenticator = authenticator
        self._metrics = metrics
        vary = (("Vary", "Accept-Language, Origin" if authenticator.origins else "Accept-Language"),)
        self._headers = (*COUNT_HEADERS[:2], *vary)
        self._unchanged_headers = (SHARED, *vary)
        self._rendered: dict[str, _Rendered] = {}
        self._rendered_posts = 0

    def begin(self, exchange: Exchange, posts: Sequence[str], *, is_single: bool) -> bool:
        """Answer a request. Return False, with nothing done, if Flask must answer it."""
        known = exchange.environ.get("HTTP_IF_NONE_MATCH")
        if known is not None and ("," in known or not known.startswith('W/"')):
            # Flask compares lists and other forms.
            return False
        states = self._likes.cached_counts(posts)
        if states is not None:
            self._answer(exchange, states, is_single)
        else:
            # Redis is asked, which takes time.
            exchange.run(lambda: self._answer(exchange, self._likes.counts(posts), is_single))
        return True

    def _answer(self, exchange: Exchange, states: Sequence[LikeState], is_single: bool) -> None:
        environ = exchange.environ
        locale = preferred_locale(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        rendered = self._rendered.get(exchange.target)
        if rendered is None or rendered.locale is not locale or rendered.states != states:
            rendered = self._render(exchange.target, states, locale, is_single)
        cors = self._cors(environ)
        self._metrics.observe_count(exchange)
        if environ.get("HTTP_IF_NONE_MATCH") == rendered.etag:
            exchange.respond("304 NOT MODIFIED", (*self._unchanged_headers, ("ETag", rendered.etag), *cors), b"")
        else:
            exchange.respond("200 OK", rendered.headers + cors if cors else rendered.headers, rendered.body)

    def _render(self, target: str, states: Sequence[LikeState], locale: Locale, is_single: bool) -> _Rendered:
        if target not in self._rendered:
            if self._rendered_posts + len(states) > _MAX_RENDERED_POSTS:
                self._rendered.clear()
                self._rendered_posts = 0
            self._rendered_posts += len(states)
        etag = f'W/"{etag_of(states, locale)}"'
        body = count_body(states[0], locale) if is_single else counts_body(states, locale)
        self._rendered[target] = rendered = _Rendered(states, locale, etag, (*self._headers, ("ETag", etag)), body)
        return rendered

    def _cors(self, environ: dict[str, Any]) -> Headers:
        origin = environ.get("HTTP_ORIGIN")
        return tuple(cors_headers(self._authenticator, origin)) if origin else ()
