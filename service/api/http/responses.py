"""Serialise likes and counts as JSON, with the headers for caches."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

from babel import Locale
from flask import Response, request

from service.api.http.number_format import ENGLISH, display, locale_of, preferred_locale
from service.core.likes import LikeState

SHARED = "public, max-age=1"
# A post's id holds no character that JSON escapes.
_COUNTED = b'"count":%d,"display":%b,"approximate":%b,"as_of":"%b"'


def like_response(state: LikeState, status: int = 200, **more: object) -> Response:
    """Return a post's count with the actor's own like. Not cacheable. `more` adds members."""
    return _json({**_own(state, _locale()), **more}, status, "no-store")


def like_body(state: LikeState, locale: Locale) -> bytes:
    """Return the body of `like_response` for the fast path: the same bytes at a tenth of the cost."""
    liked = b"true" if state.liked else b"false"
    return b'{"post":"%b","liked":%b,%b}' % (state.post.encode(), liked, _counted_bytes(state, locale))


def count_body(states: list[LikeState], locale: Locale) -> bytes:
    """Return the body of `count_response` for the first state."""
    return b'{"post":"%b",%b}' % (states[0].post.encode(), _counted_bytes(states[0], locale))


def counts_body(states: list[LikeState], locale: Locale) -> bytes:
    """Return the body of `counts_response`."""
    return b'{"counts":[%b]}' % b",".join([count_body([state], locale) for state in states])


def likes_response(states: list[LikeState]) -> Response:
    """Return the counts of several posts with the actor's own likes, in order. Not cacheable."""
    locale = _locale()
    return _json({"likes": [_own(state, locale) for state in states]}, 200, "no-store")


def count_response(state: LikeState) -> Response:
    """Return a post's count, the same for everyone."""
    return _shared({"post": state.post, **_counted(state, _locale())}, [state])


def counts_response(states: list[LikeState]) -> Response:
    """Return the counts of several posts, in order."""
    locale = _locale()
    rows = [{"post": state.post, **_counted(state, locale)} for state in states]
    return _shared({"counts": rows}, states)


def as_of(moment_us: int) -> str:
    """Return µs since 1970 as ISO 8601 in UTC. All have six decimals, so responses can be ordered as text."""
    seconds, micros = divmod(moment_us, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=16_384)
def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


def _own(state: LikeState, locale: Locale) -> dict[str, object]:
    return {"post": state.post, "liked": state.liked, **_counted(state, locale)}


def _counted(state: LikeState, locale: Locale) -> dict[str, object]:
    return {
        "count": state.count,
        "display": display(state.count, locale),
        "approximate": state.approximate,
        "as_of": as_of(state.as_of_us),
    }


def _counted_bytes(state: LikeState, locale: Locale) -> bytes:
    approximate = b"true" if state.approximate else b"false"
    shown = _quoted(display(state.count, locale))
    return _COUNTED % (state.count, shown, approximate, as_of(state.as_of_us).encode())


def _shared(body: dict[str, object], states: list[LikeState]) -> Response:
    response = _json(body, 200, SHARED)
    response.set_etag(etag_of(states, _locale()), weak=True)
    return response.make_conditional(request)  # type: ignore[return-value]


def etag_of(states: list[LikeState], locale: Locale) -> str:
    """Return the value of a weak ETag. It leaves `as_of` out, so an unchanged count is not sent again."""
    counts = [(state.post, state.count, state.approximate) for state in states]
    return blake2b(f"{locale}{counts}".encode(), digest_size=9).hexdigest()


def _json(body: dict[str, object], status: int, cache_control: str) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    response = Response(text, status, mimetype="application/json")
    response.headers["Cache-Control"] = cache_control
    if "locale" not in request.args:
        response.headers["Vary"] = "Accept-Language"
    return response


def _locale() -> Locale:
    """Return the locale of `?locale=`, else of Accept-Language. English if it is unknown."""
    if (tag := request.args.get("locale")) is not None:
        return locale_of(tag) or ENGLISH
    return preferred_locale(request.headers.get("Accept-Language", ""))
