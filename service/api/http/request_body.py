"""Request bodies: bounded, read to the end on every route, and JSON objects where one is wanted."""

import json
from typing import NoReturn

from flask import request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from service.errors import InvalidInputError

MAX_BODY_BYTES = 16 * 1024
READ_BYTES = MAX_BODY_BYTES + 1  # werkzeug cuts a chunked body off here without a word


def read_body() -> None:
    """Read what was sent, wanted or not: left unread, it would be taken for the connection's next request."""
    if (request.content_length or "HTTP_TRANSFER_ENCODING" in request.environ) and _is_too_long():
        raise RequestEntityTooLarge


def _is_too_long() -> bool:
    try:
        return len(request.get_data()) > MAX_BODY_BYTES
    except HTTPException:  # too long by its own word, or cut short
        raise
    except Exception as reason:  # what a server raises for broken chunks is the server's own
        raise BadRequest("The body can't be read; its chunks may be broken.") from reason


def json_object() -> dict[str, object]:
    """The body as a JSON object; InvalidInputError names `body` where it is none."""
    if request.mimetype not in {"application/json", ""}:
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        value = json.loads(request.get_data(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidInputError("body", "the body is not JSON; send an object in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidInputError("body", "the body is JSON, but no object; send one in braces")
    return value


def text_of(body: dict[str, object], field: str) -> str:
    """A string of the body, or InvalidInputError naming the field."""
    value = body.get(field)
    if not isinstance(value, str):
        raise InvalidInputError(field, f"{field} is {_kind(value, field in body)}; send a string")
    return value


def is_like(action: str) -> bool:
    """Whether an action is `like`; False for `unlike`, InvalidInputError for anything else."""
    if action not in {"like", "unlike"}:
        raise InvalidInputError("action", f"action is {action[:40]!r}; send like or unlike")
    return action == "like"


def _kind(value: object, given: bool) -> str:
    return f"{json.dumps(value)[:40]}" if given else "missing"


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
