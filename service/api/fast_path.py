"""Likes and counts without Flask: the same rules for a third of the cost. Whatever is unusual goes the usual way.

Here are requests as buttons and servers send them: a like made or taken back, a post's count, or those of a page;
nothing encoded in the path, and no body. The contract suite runs with and without this.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from babel import Locale

from service.api.http.metrics import BEGAN, count_like_request, observe_hot
from service.api.http.number_format import preferred_locale
from service.api.http.request_context import ERROR, VISIT, cors_headers
from service.api.http.request_log import UnusualRequests
from service.api.http.responses import SHARED, count_body, counts_body, etag_of, viewers_body
from service.auth.identity import Viewers
from service.core.likes import Likes, valid_id
from service.observability.logging import enter_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ID = r"[A-Za-z0-9._:~/-]+"
_LIKE = re.compile(f"/v1/posts/({_ID})/like")
_COUNT = re.compile(f"/v1/posts/({_ID})/count")
_COUNTS = re.compile(rf"/v1/counts\?(post={_ID}(?:&post={_ID})*)")

Answer = tuple[str, list[tuple[str, str]], bytes]


class HotPath:
    """WSGI around the Flask application, which answers what is unusual, and errors."""

    def __init__(
        self, app: "WSGIApplication", likes: Likes, viewers: Viewers, unusual: UnusualRequests | None = None
    ) -> None:
        self.app = app
        self._likes = likes
        self._viewers = viewers
        self._unusual = unusual or UnusualRequests(0)

    def takes(self, method: str, target: str) -> bool:
        """Whether a request without a body, for this path and query as sent, is answered here."""
        if method == "GET":
            return bool(_COUNT.fullmatch(target) or _COUNTS.fullmatch(target))
        return method in {"PUT", "DELETE"} and _LIKE.fullmatch(target) is not None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.perf_counter()
        enter_request(environ, self._viewers.clients.trusts)
        try:
            answer = None if _has_body(environ) else self._answer(environ)
        except Exception as error:  # Flask answers it, as any other
            environ[ERROR] = error
            answer = None
        if answer is None:
            environ[BEGAN] = began
            return self.app(environ, start_response)
        seconds = time.perf_counter() - began
        observe_hot(environ["REQUEST_METHOD"] == "GET", seconds)
        status, headers, body = answer
        if seconds >= self._unusual.slow_s:
            self._unusual.note(environ, int(status[:3]), seconds)
        start_response(status, headers)
        return [body]

    def _answer(self, environ: "WSGIEnvironment") -> Answer | None:
        method, target = environ["REQUEST_METHOD"], environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        if method == "GET":
            return self._read(target, environ)
        found = _LIKE.fullmatch(target) if method in {"PUT", "DELETE"} else None
        return self._submit(method, found[1], environ) if found else None

    def _submit(self, method: str, post: str, environ: "WSGIEnvironment") -> Answer:
        valid_id(post, "post")
        environ[VISIT] = visit = self._viewers.arrive(environ)
        if method == "PUT":
            state = count_like_request(self._likes.like(post, visit.liking()))
        elif actor := visit.unliking():
            state = count_like_request(self._likes.unlike(post, actor))
        else:
            state = self._likes.counts([post])[0]
        body = viewers_body(state, _locale(environ))
        status = "201 CREATED" if method == "PUT" and state.changed else "200 OK"
        headers = _headers(body, "no-store", "Accept-Language") + visit.hand_back()
        return status, headers + self._cors(environ), body

    def _read(self, target: str, environ: "WSGIEnvironment") -> Answer | None:
        if found := _COUNT.fullmatch(target):
            states, body_of = self._likes.counts([found[1]]), count_body
        elif found := _COUNTS.fullmatch(target):
            posts = [pair[len("post=") :] for pair in found[1].split("&")]
            states, body_of = self._likes.counts(posts), counts_body
        else:
            return None
        locale = _locale(environ)
        etag = f'W/"{etag_of(states, locale)}"'
        asked = environ.get("HTTP_IF_NONE_MATCH")
        if asked is not None and asked != etag:
            return None  # several, or any: not as buttons ask
        vary = "Accept-Language, Origin" if self._viewers.sites else "Accept-Language"
        if asked:
            kept = [("Cache-Control", SHARED), ("Vary", vary), ("ETag", etag)]
            return "304 NOT MODIFIED", kept + self._cors(environ), b""
        body = body_of(states, locale)
        return "200 OK", [*_headers(body, SHARED, vary), ("ETag", etag), *self._cors(environ)], body

    def _cors(self, environ: "WSGIEnvironment") -> list[tuple[str, str]]:
        origin = environ.get("HTTP_ORIGIN")
        return cors_headers(self._viewers, origin) if origin else []


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
