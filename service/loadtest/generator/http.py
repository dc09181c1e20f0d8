"""The bytes of a request and of its answer. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.auth.visitor_token import TOKEN_CHARS
from service.loadtest.generator.plan import Target

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_MINTED = re.compile(rb"\r\nlikewise-visitor:", re.IGNORECASE)
_END = b"\r\n\r\n"
_NO_BODY = frozenset({204, 304})


class BadAnswerError(ValueError):
    """What came is not HTTP/1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `stranger`: the server minted another visitor, so it did not know the token."""

    status: int
    keep: bool
    stranger: bool


class Requests:
    """The requests of a run, their parts made beforehand: like `i` is of visitor `i` for post `post_of[i]`."""

    def __init__(
        self,
        target: Target,
        posts: Sequence[str],
        post_of: Sequence[int],
        tokens: bytes | bytearray,
        networks: int = 0,
    ) -> None:
        puts, deletes = ([_head(method, post, target) for post in posts] for method in ("PUT", "DELETE"))
        self._heads = [puts, deletes, puts]  # by kind: LIKE, UNLIKE, REPEAT
        self._post_of = post_of
        self._tokens = tokens
        self._ends = [_forwarded_for(at) + _END for at in range(networks)] or [_END]

    def of(self, kind: int, like: int) -> bytes:
        """The request of this kind that is about the like."""
        start = like * TOKEN_CHARS
        return self._heads[kind][self._post_of[like]] + self._tokens[start : start + TOKEN_CHARS] + self._end(like)

    def _end(self, like: int) -> bytes:
        return self._ends[like % len(self._ends)]


def _head(method: str, post: str, target: Target) -> bytes:
    return (
        f"{method} /v1/posts/{post}/like HTTP/1.1\r\nHost: {target.authority}\r\n"
        "Content-Length: 0\r\nLikewise-Visitor: "
    ).encode()


def _forwarded_for(network: int) -> bytes:
    """An address of a network of its own, from the range that RFC 3849 keeps for examples."""
    return f"\r\nX-Forwarded-For: 2001:db8:{network >> 16:x}:{network & 0xFFFF:x}::1".encode()


def answer_in(data: bytes, *, ended: bool = False) -> Answer | None:
    """The answer in `data`; None while some of it is missing. `ended`: the server has closed the connection."""
    if not b"HTTP/1.".startswith(data[:7]):
        raise BadAnswerError
    at = data.find(_END)
    if at < 0:
        return None
    head, size = data[:at], len(data) - at - len(_END)
    if not head[9:12].isdigit():
        raise BadAnswerError
    status = int(head[9:12])
    if status < 200:
        return answer_in(data[at + len(_END) :], ended=ended)
    if not _whole(head, data, status, size) and not (ended and _runs_to_the_end(head)):
        return None
    keep = not ended and head.startswith(b"HTTP/1.1") and not _CLOSE.search(head)
    return Answer(status, keep, _MINTED.search(head) is not None)


def detail_of(body: bytes) -> str:
    """The detail of a problem; nothing where the body is none."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""


def body_of(data: bytes) -> bytes:
    """What follows the head."""
    return data.partition(_END)[2]


def _whole(head: bytes, data: bytes, status: int, size: int) -> bool:
    if status in _NO_BODY:
        return True
    if length := _LENGTH.search(head):
        return size >= int(length[1])
    return _CHUNKED.search(head) is not None and data.endswith(b"0\r\n\r\n")


def _runs_to_the_end(head: bytes) -> bool:
    return not _LENGTH.search(head) and not _CHUNKED.search(head)
