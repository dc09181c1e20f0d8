"""Write a response as bytes, to be sent at once."""

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

Headers = tuple[tuple[str, str], ...]


def response_bytes(status: str, headers: Headers, body: bytes, *, stays_open: bool) -> bytes:
    """Return a whole response, with `Content-Length`, `Date` and, unless it stays open, `Connection: close`.

    Raises ValueError for a header with a line break.
    """
    return _head(status, headers, len(body), int(time.time()), stays_open) + body


def without_length(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers of a WSGI response without Content-Length, which `response_bytes` adds."""
    return tuple((name, value) for name, value in headers if name.lower() != "content-length")


@lru_cache(maxsize=512)
def _head(status: str, headers: Headers, length: int, second: int, stays_open: bool) -> bytes:
    """Return the head. Most answers of a second have the same, so it is cached."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a header of the response holds a line break")
    end = "" if stays_open else "Connection: close\r\n"
    size = "" if status.startswith(("204", "304")) else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status}\r\nDate: {_date(second)}\r\n{end}{size}{fields}\r\n".encode("latin-1")


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
