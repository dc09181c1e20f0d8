"""Errors as RFC 9457 problems. The table is the only place where an error meets a status."""

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
from service.ratelimit.limiter import LimitedError

TYPE_PREFIX = "urn:problem-type:likewise:"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """How an error is answered."""

    status: int
    name: str
    title: str


TABLE: dict[type[LikewiseError], Kind] = {
    InvalidInputError: Kind(400, "invalid-input", "A field is not valid"),
    InvalidCredentialError: Kind(401, "invalid-credential", "A token or key is not valid"),
    ForeignSiteError: Kind(403, "foreign-site", "A page of another site"),
    ForbiddenError: Kind(403, "forbidden", "Not allowed"),
    LimitedError: Kind(429, "limited", "Too much at a time"),
    QueueFullError: Kind(503, "queue-full", "Too many likes wait to be stored"),
    NotReplicatedError: Kind(503, "not-replicated", "Counted, but not confirmed by a replica"),
    NotDurableError: Kind(503, "not-durable", "Counted, but not confirmed by Postgres"),
    UnavailableError: Kind(503, "unavailable", "A part that is needed does not answer"),
}


def problem(kind: Kind, detail: str, headers: dict[str, str] | None = None, **members: object) -> Response:
    """A problem's answer; `members` are its own fields, such as `field` or `part`."""
    body = {"type": _type(kind), "title": kind.title, "status": kind.status, "detail": detail, **members}
    response = Response(json.dumps(body), kind.status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def answer_problems(app: Flask) -> None:
    """Answer every error of the app with a problem."""
    app.register_error_handler(LikewiseError, _of_likewise)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unexpected)


def kind_of(error: LikewiseError) -> Kind | None:
    """How an error is answered; None for one that no request can be to blame for."""
    return next((TABLE[base] for base in type(error).__mro__ if base in TABLE), None)


def headers_of(error: LikewiseError) -> dict[str, str]:
    """What the answer to an error says in headers: when to ask again, what is left."""
    if isinstance(error, LimitedError):
        return {"Retry-After": str(error.allowance.reset_s), **error.allowance.headers()}
    if isinstance(error, InvalidCredentialError):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, UnavailableError) else {}


def _of_likewise(error: LikewiseError) -> Response:
    kind = kind_of(error)
    if kind is None:
        return _unexpected(error)
    g.reason = str(error)
    return problem(kind, str(error), headers_of(error), **_members(error))


def _members(error: LikewiseError) -> dict[str, object]:
    if isinstance(error, InvalidInputError):
        return {"field": error.field}
    return {"part": error.part} if isinstance(error, UnavailableError) else {}


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    kind = Kind(status, "", HTTP_STATUS_CODES.get(status, "Error"))
    headers = dict(error.get_headers(request.environ))
    headers.pop("Content-Type", None)
    members = {"field": "body"} if status in {413, 415} else {}
    return problem(kind, _detail(error, headers), headers, **members)


def _detail(error: HTTPException, headers: dict[str, str]) -> str:
    if error.code == 404:
        return "Nothing is at this path; /openapi.json lists what is."
    if error.code == 405:
        return f"{request.method} is not possible here; use one of {headers.get('Allow', '')}."
    if error.code == 413:
        return f"The body has more than {MAX_BODY_BYTES} bytes; send less."
    return error.description or kind_title(error)


def kind_title(error: HTTPException) -> str:
    """The standard's own phrase for an error's status."""
    return HTTP_STATUS_CODES.get(error.code or 500, "Error")


def _unexpected(error: Exception) -> Response:
    _log.error("unexpected error", endpoint=request.endpoint, method=request.method, exc_info=error)
    return problem(Kind(500, "", "Internal Server Error"), "Something went wrong here; the log of the service has it.")


def _type(kind: Kind) -> str:
    return TYPE_PREFIX + kind.name if kind.name else "about:blank"
