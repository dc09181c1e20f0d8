"""Read request bodies. They are limited in size, read to the end on every route, and JSON objects where required."""

import json
from typing import NoReturn

from flask import request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from service.errors import InvalidInputError

MAX_BODY_BYTES = 16 * 1024
# Werkzeug silently truncates a chunked body here.
READ_BYTES = MAX_BODY_BYTES + 1


def read_body() -> None:
    """Read the body even if it is not needed. If it stayed unread, it would be parsed as the next request."""
    if (request.content_length or "HTTP_TRANSFER_ENCODING" in request.environ) and _is_too_long():
        raise RequestEntityTooLarge


def _is_too_long() -> bool:
    try:
        return len(request.get_data()) > MAX_BODY_BYTES
    except HTTPException:
        # The declared length is too long, or the body was cut short.
        raise
    except Exception as reason:
        # Each server raises its own errors for broken chunks.
        raise BadRequest("The body cannot be read. Its chunks may be broken.") from reason


def json_object() -> dict[str, object]:
    """Return the body as a JSON object. Raise InvalidInputError, which names `body`, if it is not one."""
    if request.mimetype not in {"application/json", ""}:
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        value = json.loads(request.get_data(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidInputError("body", "the body is not JSON; send an object in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidInputError("body", "the body is not a JSON object; send one in braces")
    return value


def text_of(body: dict[str, object], field: str) -> str:
    """Return a string of the body. Raise InvalidInputError, which names the field, if it is not a string."""
    value = body.get(field)
    if not isinstance(value, str):
        found = f"{json.dumps(value)[:40]}" if field in body else "missing"
        raise InvalidInputError(field, f"{field} is {found}; send a string")
    return value


def is_like(action: str) -> bool:
    """Return True for `like` and False for `unlike`. Raise InvalidInputError for anything else."""
    if action not in {"like", "unlike"}:
        raise InvalidInputError("action", f"action is {action[:40]!r}; send like or unlike")
    return action == "like"


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
