"""Build the bytes of requests, and parse the bytes of responses. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from service.auth.visitor_token import TOKEN_CHARS
from service.loadtest.generator.plan import Target

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_NEW_VISITOR = re.compile(rb"\r\nlikewise-visitor:", re.IGNORECASE)
_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
# Heads differ by their date, once a second, and by the length of the body.
_REMEMBERED_HEADS = 64
_NO_BODY = frozenset({204, 304})


class BadResponseError(ValueError):
    """The bytes received are not HTTP/1."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response. `unknown_token`: the server created a new visitor, so it did not know the token."""

    status: int
    keep_alive: bool
    unknown_token: bool


class Requests:
    """The requests of a run, prepared before it. Like `i` is by visitor `i`, for post `post_of[i]`."""

    def __init__(
        self,
        target: Target,
        posts: Sequence[str],
        post_of: Sequence[int],
        tokens: bytes | bytearray,
        networks: int = 0,
    ) -> None:
        puts, deletes = ([_head(method, post, target) for post in posts] for method in ("PUT", "DELETE"))
        # By kind: LIKE, UNLIKE, REPEAT.
        self._heads = [puts, deletes, puts]
        self._post_of = post_of
        self._tokens = tokens
        self._ends = [_forwarded_for(at) + _END for at in range(networks)] or [_END]

    def build(self, kind: int, like: int) -> bytes:
        """Return the request of this kind for the like."""
        start = like * TOKEN_CHARS
        token = self._tokens[start : start + TOKEN_CHARS]
        return self._heads[kind][self._post_of[like]] + token + self._ends[like % len(self._ends)]


def _head(method: str, post: str, target: Target) -> bytes:
    return (
        f"{method} /v1/posts/{post}/like HTTP/1.1\r\nHost: {target.authority}\r\n"
        "Content-Length: 0\r\nLikewise-Visitor: "
    ).encode()


def _forwarded_for(network: int) -> bytes:
    """Return a header with an address of a separate network, from the documentation range of RFC 3849."""
    return f"\r\nX-Forwarded-For: 2001:db8:{network >> 16:x}:{network & 0xFFFF:x}::1".encode()


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of a response. `body_bytes` is None if the body is chunked, or ends with the connection."""

    response: Response
    body_bytes: int | None
    is_chunked: bool

    def is_complete(self, data: bytes, body_bytes: int, *, closed: bool) -> bool:
        if self.body_bytes is not None:
            return body_bytes >= self.body_bytes
        return data.endswith(_LAST_CHUNK) if self.is_chunked else closed


def parse_response(data: bytes, *, closed: bool = False) -> Response | None:
    """Return the response in `data`, or None if it is incomplete. `closed`: the server has closed the connection.

    Raises BadResponseError.
    """
    at = data.find(_END)
    if at < 0:
        _check_protocol(data)
        return None
    head = _parse_head(data[:at])
    if head.response.status < 200:
        return parse_response(data[at + len(_END) :], closed=closed)
    if not head.is_complete(data, len(data) - at - len(_END), closed=closed):
        return None
    return replace(head.response, keep_alive=False) if closed else head.response


@lru_cache(_REMEMBERED_HEADS)
def _parse_head(head: bytes) -> _Head:
    _check_protocol(head)
    if not head[9:12].isdigit():
        raise BadResponseError
    status, length = int(head[9:12]), _LENGTH.search(head)
    keep_alive = head.startswith(b"HTTP/1.1") and not _CLOSE.search(head)
    response = Response(status, keep_alive, unknown_token=_NEW_VISITOR.search(head) is not None)
    body_bytes = 0 if status in _NO_BODY else int(length[1]) if length else None
    return _Head(response, body_bytes, is_chunked=_CHUNKED.search(head) is not None)


def _check_protocol(data: bytes) -> None:
    if not b"HTTP/1.".startswith(data[:7]):
        raise BadResponseError


def problem_detail(body: bytes) -> str:
    """Return the `detail` of a problem document, or an empty string if the body is none."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""


def body_of(data: bytes) -> bytes:
    """Return what follows the head."""
    return data.partition(_END)[2]
