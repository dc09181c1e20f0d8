"""Answer likes and counts without Flask, by the same rules for a third of the cost. Flask answers everything else.

The fast path takes requests as buttons and servers send them: a like made or taken back, a post's count, or the counts
of several posts. Their paths are not percent-encoded, and they have no body. The contract tests run both ways.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from babel import Locale

from service.api.http.metrics import BEGAN, count_like_request, observe_fast_path
from service.api.http.number_format import preferred_locale
from service.api.http.request_context import ERROR, IDENTITY, cors_headers
from service.api.http.request_log import SlowRequestLog
from service.api.http.responses import SHARED, count_body, counts_body, etag_of, like_body
from service.auth.identity import Authenticator
from service.core.likes import Likes, validate_id
from service.observability.logging import enter_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ID = r"[A-Za-z0-9._:~/-]+"
_LIKE = re.compile(f"/v1/posts/({_ID})/like")
_COUNT = re.compile(f"/v1/posts/({_ID})/count")
_COUNTS = re.compile(rf"/v1/counts\?(post={_ID}(?:&post={_ID})*)")

Answer = tuple[str, list[tuple[str, str]], bytes]


class FastPath:
    """WSGI middleware around the Flask application. Flask answers other requests, and errors."""

    # Key of the environ: the result of `accepts`, if the server has called it already.
    match_key = "likewise.match"

    def __init__(
        self,
        app: "WSGIApplication",
        likes: Likes,
        authenticator: Authenticator,
        request_log: SlowRequestLog | None = None,
    ) -> None:
        self.app = app
        self._likes = likes
        self._authenticator = authenticator
        self._request_log = request_log or SlowRequestLog(0)

    def accepts(self, method: str, target: str) -> re.Match[str] | None:
        """Match a request without a body, by its path and query as sent. None if Flask must answer it."""
        if method == "GET":
            return _COUNT.fullmatch(target) or _COUNTS.fullmatch(target)
        return _LIKE.fullmatch(target) if method in {"PUT", "DELETE"} else None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, or let Flask answer it."""
        began = time.perf_counter()
        enter_request(environ, self._authenticator.clients.is_trusted_proxy)
        try:
            answer = self._answer(environ)
        except Exception as error:
            # Flask answers it like any other error.
            environ[ERROR] = error
            answer = None
        if answer is None:
            environ[BEGAN] = began
            return self.app(environ, start_response)
        seconds = time.perf_counter() - began
        observe_fast_path(environ["REQUEST_METHOD"] == "GET", seconds)
        status, headers, body = answer
        if seconds >= self._request_log.slow_s:
            self._request_log.write(environ, int(status[:3]), seconds)
        start_response(status, headers)
        return [body]

    def _answer(self, environ: "WSGIEnvironment") -> Answer | None:
        method: str = environ["REQUEST_METHOD"]
        match: re.Match[str] | None = environ.get(self.match_key)
        if match is None and not _has_body(environ):
            match = self.accepts(method, environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
        if match is None:
            return None
        return self._read(match, environ) if method == "GET" else self._submit(method, match[1], environ)

    def _submit(self, method: str, post: str, environ: "WSGIEnvironment") -> Answer:
        post_id = validate_id(post, "post")
        environ[IDENTITY] = identity = self._authenticator.identify(environ)
        if method == "PUT":
            state = count_like_request(self._likes.like(post_id, identity.authorize_like()))
        elif actor := identity.authorize_unlike():
            state = count_like_request(self._likes.unlike(post_id, actor))
        else:
            state = self._likes.counts([post_id])[0]
        body = like_body(state, _locale(environ))
        status = "201 CREATED" if method == "PUT" and state.changed else "200 OK"
        headers = _headers(body, "no-store", "Accept-Language") + identity.response_headers()
        return status, headers + self._cors(environ), body

    def _read(self, match: re.Match[str], environ: "WSGIEnvironment") -> Answer | None:
        if match.re is _COUNT:
            states, body_of = self._likes.counts([match[1]]), count_body
        else:
            posts = [pair[len("post=") :] for pair in match[1].split("&")]
            states, body_of = self._likes.counts(posts), counts_body
        locale = _locale(environ)
        etag = f'W/"{etag_of(states, locale)}"'
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known is not None and known != etag:
            # The header may list several ETags, which Flask compares.
            return None
        vary = "Accept-Language, Origin" if self._authenticator.origins else "Accept-Language"
        if known:
            unchanged = [("Cache-Control", SHARED), ("Vary", vary), ("ETag", etag)]
            return "304 NOT MODIFIED", unchanged + self._cors(environ), b""
        body = body_of(states, locale)
        return "200 OK", [*_headers(body, SHARED, vary), ("ETag", etag), *self._cors(environ)], body

    def _cors(self, environ: "WSGIEnvironment") -> list[tuple[str, str]]:
        origin = environ.get("HTTP_ORIGIN")
        return cors_headers(self._authenticator, origin) if origin else []


def _headers(body: bytes, cache_control: str, vary: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", cache_control),
        ("Vary", vary),
    ]


def _locale(environ: "WSGIEnvironment") -> Locale:
    return preferred_locale(environ.get("HTTP_ACCEPT_LANGUAGE", ""))


def _has_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"0", ""} or "HTTP_TRANSFER_ENCODING" in environ
