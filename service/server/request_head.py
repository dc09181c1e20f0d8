"""Parse the head of a request, if it can be read in only one way. gunicorn parses every other request.

The grammar is strict: plain names and values, each name once, no body, and nothing about the connection itself.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

_REQUEST_LINE: Final = re.compile(r"(GET|PUT|DELETE) (/v1/[!-~]+) HTTP/1\.1")
_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9-]*")
_LINE_END: Final = b"\r\n"
_END: Final = 2 * _LINE_END
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
# gunicorn refuses requests beyond these limits.
_MAX_FIELDS, _MAX_HEAD_BYTES = 100, 8_190
_FOR_GUNICORN = frozenset({"TRANSFER_ENCODING", "EXPECT", "UPGRADE", "TE", "TRAILER", "HTTP2_SETTINGS"})
# WSGI names these without a prefix.
_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class RequestHead(NamedTuple):
    """The head of a request. `length` is its number of bytes. `fields` has the headers under their WSGI names."""

    length: int
    method: str
    target: str
    fields: dict[str, Any]


def parse_head(data: bytes) -> RequestHead | None:
    """Return the head at the start of `data`. None if it is incomplete, ambiguous, or announces a body."""
    end = data.find(_END)
    if end < 0 or end > _MAX_HEAD_BYTES:
        return None
    head = data[:end]
    request_line, *lines = head.decode("latin-1").split("\r\n")
    line = _REQUEST_LINE.fullmatch(request_line)
    # Besides printable ASCII, a head holds only the ends of its lines.
    if line is None or not lines or head.translate(None, _PRINTABLE) != _LINE_END * len(lines):
        return None
    names, colons, values = zip(*[line.partition(":") for line in lines], strict=True)
    keys = _keys(names)
    if keys is None or "" in colons:
        return None
    fields = dict(zip(keys, map(str.strip, values), strict=True))
    if fields.pop("CONTENT_LENGTH", "0") != "0":
        return None
    if fields.pop("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return None
    return RequestHead(end + len(_END), line[1], line[2], fields)


# An entry takes up to 26 KB, if a client makes it so.
@lru_cache(maxsize=1_024)
def _keys(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the WSGI names of a head's fields. None if a name is not plain, occurs twice, or is for gunicorn.

    A client sends the same fields with each request, so this is cached.
    """
    if not all(map(_NAME.fullmatch, names)):
        return None
    plain = [name.upper().replace("-", "_") for name in names]
    is_unambiguous = len(set(plain)) == len(plain) <= _MAX_FIELDS
    if not is_unambiguous or "HOST" not in plain or not _FOR_GUNICORN.isdisjoint(plain):
        return None
    return tuple(name if name in _UNPREFIXED else f"HTTP_{name}" for name in plain)
