"""Answer errors with RFC 9457 problems. TABLE is the only place that maps an error to a status."""

import json
from dataclasses import dataclass

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from service.api.http.request_body import MAX_BODY_BYTES
from service.errors import (
    ForbiddenError,
    ForeignSiteError,
    InvalidCredentialError,
    InvalidInputError,
    LikewiseError,
    NotDurableError,
    NotReplicatedError,
    QueueFullError,
    UnavailableError,
)
from service.ratelimit.limiter import RateLimitExceededError

TYPE_PREFIX = "urn:problem-type:likewise:"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """The status, type and title of a problem."""

    status: int
    name: str
    title: str


TABLE: dict[type[LikewiseError], Kind] = {
    InvalidInputError: Kind(400, "invalid-input", "A field is not valid"),
    InvalidCredentialError: Kind(401, "invalid-credential", "A token or key is not valid"),
    ForeignSiteError: Kind(403, "foreign-site", "A page of another site"),
    ForbiddenError: Kind(403, "forbidden", "Not allowed"),
    RateLimitExceededError: Kind(429, "limited", "Rate limit exceeded"),
    QueueFullError: Kind(503, "queue-full", "Too many likes are waiting to be stored"),
    NotReplicatedError: Kind(503, "not-replicated", "Counted, but not confirmed by a replica"),
    NotDurableError: Kind(503, "not-durable", "Counted, but not confirmed by Postgres"),
    UnavailableError: Kind(503, "unavailable", "A required part is unavailable"),
}


def problem(kind: Kind, detail: str, headers: dict[str, str] | None = None, **members: object) -> Response:
    """Return a problem as a response. `members` are its extension members, such as `field` or `part`."""
    body = {"type": _type(kind), "title": kind.title, "status": kind.status, "detail": detail, **members}
    response = Response(json.dumps(body), kind.status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def register_problems(app: Flask) -> None:
    """Make the app answer every error with a problem."""
    app.register_error_handler(LikewiseError, _on_likewise_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_unexpected_error)


def kind_of(error: LikewiseError) -> Kind | None:
    """Return the kind of an error. None for an error that a request should not cause."""
    return next((TABLE[base] for base in type(error).__mro__ if base in TABLE), None)


def headers_of(error: LikewiseError) -> dict[str, str]:
    """Return the headers of the response to an error: when to retry, and what is left of a rate limit."""
    if isinstance(error, RateLimitExceededError):
        return {"Retry-After": str(error.stats.reset_s), **error.stats.headers()}
    if isinstance(error, InvalidCredentialError):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, UnavailableError) else {}


def _on_likewise_error(error: LikewiseError) -> Response:
    kind = kind_of(error)
    if kind is None:
        return _on_unexpected_error(error)
    g.reason = str(error)
    return problem(kind, str(error), headers_of(error), **_members(error))


def _members(error: LikewiseError) -> dict[str, object]:
    if isinstance(error, InvalidInputError):
        return {"field": error.field}
    return {"part": error.part} if isinstance(error, UnavailableError) else {}


def _on_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    kind = Kind(status, "", HTTP_STATUS_CODES.get(status, "Error"))
    headers = dict(error.get_headers(request.environ))
    headers.pop("Content-Type", None)
    members = {"field": "body"} if status in {413, 415} else {}
    return problem(kind, _detail(error, headers), headers, **members)


def _detail(error: HTTPException, headers: dict[str, str]) -> str:
    if error.code == 404:
        return "There is no resource at this path. /openapi.json lists all of them."
    if error.code == 405:
        return f"{request.method} is not allowed here. Use one of {headers.get('Allow', '')}."
    if error.code == 413:
        return f"The body has more than {MAX_BODY_BYTES} bytes."
    return error.description or HTTP_STATUS_CODES.get(error.code or 500, "Error")


def _on_unexpected_error(error: Exception) -> Response:
    _log.error("unexpected error", endpoint=request.endpoint, method=request.method, exc_info=error)
    return problem(
        Kind(500, "", "Internal Server Error"), "An unexpected error occurred. The log of the service describes it."
    )


def _type(kind: Kind) -> str:
    return TYPE_PREFIX + kind.name if kind.name else "about:blank"
