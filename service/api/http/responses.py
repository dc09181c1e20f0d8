"""Answer with likes and counts in Flask, in the language of the request."""

from collections.abc import Sequence

from babel import Locale
from flask import Response, request

from service.api.http import rendering
from service.api.http.number_format import ENGLISH, locale_of, preferred_locale
from service.api.http.rendering import COUNT_HEADERS, LIKE_HEADERS, Headers
from service.core.likes import LikeState


def like_response(state: LikeState, status: int = 200) -> Response:
    """Return a post's count with the actor's own like. Not cacheable."""
    return _response(rendering.like_body(state, _locale()), LIKE_HEADERS, status)


def legacy_like_response(state: LikeState) -> Response:
    """Return the same with the count under its legacy name as well, `likes`."""
    body = rendering.like_body(state, _locale())
    return _response(b'%b,"likes":%d}' % (body[:-1], state.count), LIKE_HEADERS)


def likes_response(states: Sequence[LikeState]) -> Response:
    """Return the counts of several posts with the actor's own likes, in order. Not cacheable."""
    return _response(rendering.likes_body(states, _locale()), LIKE_HEADERS)


def count_response(state: LikeState) -> Response:
    """Return a post's count, the same for everyone."""
    return _conditional(rendering.count_body(state, _locale()), [state])


def counts_response(states: Sequence[LikeState]) -> Response:
    """Return the counts of several posts, in order."""
    return _conditional(rendering.counts_body(states, _locale()), states)


def _conditional(body: bytes, states: Sequence[LikeState]) -> Response:
    """Return a response with an ETag, or 304 if the client has it already."""
    response = _response(body, COUNT_HEADERS)
    response.set_etag(rendering.etag_of(states, _locale()), weak=True)
    return response.make_conditional(request)  # type: ignore[return-value]


def _response(body: bytes, headers: Headers, status: int = 200) -> Response:
    response = Response(body, status, headers=list(headers))
    if "locale" in request.args:
        del response.headers["Vary"]
    return response


def _locale() -> Locale:
    """Return the locale of `?locale=`, else of Accept-Language. English if it is unknown."""
    if (tag := request.args.get("locale")) is not None:
        return locale_of(tag) or ENGLISH
    return preferred_locale(request.headers.get("Accept-Language", ""))
