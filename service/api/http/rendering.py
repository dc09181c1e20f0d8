"""Render likes and counts as bytes of JSON, with their headers. Flask and the event loop send the same bytes."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

from babel import Locale

from service.api.http.number_format import display
from service.core.likes import LikeState

Headers = tuple[tuple[str, str], ...]

_JSON, _BY_LANGUAGE = ("Content-Type", "application/json"), ("Vary", "Accept-Language")
SHARED = ("Cache-Control", "public, max-age=1")
NOT_STORED = ("Cache-Control", "no-store")
# The headers of a like, which is about one actor, and of a count, which is the same for everyone.
LIKE_HEADERS: Headers = (_JSON, NOT_STORED, _BY_LANGUAGE)
COUNT_HEADERS: Headers = (_JSON, SHARED, _BY_LANGUAGE)


def like_body(state: LikeState, locale: Locale) -> bytes:
    """Return a post's count with the actor's own like."""
    # A post's id holds no character that JSON escapes.
    return b'{"post":"%b","liked":%b,%b}' % (state.post.encode(), _boolean(state.liked), _counted(state, locale))


def likes_body(states: Sequence[LikeState], locale: Locale) -> bytes:
    """Return the counts of several posts with the actor's own likes, in order."""
    return b'{"likes":[%b]}' % b",".join([like_body(state, locale) for state in states])


def count_body(state: LikeState, locale: Locale) -> bytes:
    """Return a post's count."""
    return b'{"post":"%b",%b}' % (state.post.encode(), _counted(state, locale))


def counts_body(states: Sequence[LikeState], locale: Locale) -> bytes:
    """Return the counts of several posts, in order."""
    return b'{"counts":[%b]}' % b",".join([count_body(state, locale) for state in states])


def etag_of(states: Sequence[LikeState], locale: Locale) -> str:
    """Return the value of a weak ETag. It leaves `as_of` out, so an unchanged count is not sent again."""
    counts = [(state.post, state.count, state.approximate) for state in states]
    return blake2b(f"{locale}{counts}".encode(), digest_size=9).hexdigest()


@lru_cache(maxsize=64)
def as_of(moment_us: int) -> str:
    """Return µs since 1970 as ISO 8601 in UTC. All have six decimals, so responses can be ordered as text.

    All likes of a batch have the same moment.
    """
    seconds, micros = divmod(moment_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def _counted(state: LikeState, locale: Locale) -> bytes:
    return b'"count":%d,"display":%b,"approximate":%b,"as_of":"%b"' % (
        state.count,
        _quoted(display(state.count, locale)),
        _boolean(state.approximate),
        as_of(state.as_of_us).encode(),
    )


def _boolean(value: bool) -> bytes:
    return b"true" if value else b"false"


@lru_cache(maxsize=16_384)
def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
