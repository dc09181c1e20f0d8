"""Serve one HTTP connection. Likes and counts, as buttons send them, bypass gunicorn's parser.

A request takes the fast path only if its whole head is unambiguous: plain names and values, no body, and no fields
about the connection itself. Every other request goes to gunicorn, with all bytes that were read.
"""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from gunicorn import http
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import Parser
from gunicorn.http.wsgi import base_environ

if TYPE_CHECKING:
    from service.api.fast_path import FastPath

_HEAD: Final = re.compile(
    rb"(GET|PUT|DELETE) (/v1/[!-~]+) HTTP/1\.1\r\n((?:[A-Za-z][A-Za-z0-9-]*: ?[\x20-\x7e]*\r\n)+)\r\n"
)
_HEAD_BYTES = 16 * 1024
_FOR_GUNICORN = frozenset(
    {"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE", "HTTP_TE", "HTTP_TRAILER", "HTTP_HTTP2_SETTINGS"}
)


class FastConnection:
    """One connection of a worker. `addr` is the client's address, as the socket module gives it."""

    def __init__(self, worker: Any, fast_path: "FastPath", listener: Any, client: Any, addr: tuple[Any, ...]) -> None:
        self._worker = worker
        self._fast_path = fast_path
        self._client = client
        self._addr = addr
        self._listener_name = listener.getsockname()
        self._environ = _environ_of(worker, self._listener_name, addr)
        self._parser: Parser | None = None
        self._is_idle = False

    def serve(self) -> None:
        """Answer requests until either side closes the connection. Raises OSError if the client is gone."""
        rest = b""
        while True:
            data = rest or self._receive()
            if not data:
                return
            environ = self._parse_fast(data)
            if environ is None:
                left = self._serve_by_gunicorn(data)
                if left is None:
                    return
                rest = left
            else:
                rest = b""
                if not self._serve_fast(environ):
                    return

    def close_if_idle(self) -> None:
        """End an idle connection. A request that has already arrived is answered first."""
        if self._is_idle:
            # The client may have closed it first.
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RD)

    def _receive(self) -> bytes:
        """Return the next bytes. Empty after the keep-alive time, or if the client closed the connection."""
        self._is_idle = True
        try:
            with self._worker.timeout_ctx():
                return self._client.recv(_HEAD_BYTES)  # type: ignore[no-any-return]
            return b""
        finally:
            self._is_idle = False

    def _parse_fast(self, data: bytes) -> dict[str, Any] | None:
        """Return the WSGI environ of a request for the fast path, or None."""
        head = _HEAD.fullmatch(data)
        if head is None:
            return None
        method, target = head[1].decode(), head[2].decode()
        match = self._fast_path.accepts(method, target)
        if match is None:
            return None
        fields: dict[str, Any] = {}
        lines = head[3].decode().split("\r\n")
        for line in lines[:-1]:
            name, _, value = line.partition(":")
            fields["HTTP_" + name.upper().replace("-", "_")] = value.strip(" ")
        if len(fields) != len(lines) - 1 or not _is_plain(fields):
            return None
        path, _, query = target.partition("?")
        return {
            **self._environ,
            **fields,
            self._fast_path.match_key: match,
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "wsgi.input": BytesIO(),
        }

    def _serve_fast(self, environ: dict[str, Any]) -> bool:
        """Call the application and send its response in one write. Return whether the connection stays open."""
        self._worker.count_request()
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            started[:] = status, headers

        chunks: Iterable[bytes] = self._worker.wsgi(environ, start_response)
        body = b"".join(chunks)
        if close := getattr(chunks, "close", None):
            close()
        stays_open: bool = self._worker.alive
        data = _response_of(started[0], started[1], body, stays_open=stays_open)
        sent = self._client.send(data)
        if sent < len(data):
            self._client.sendall(data[sent:])
        return stays_open

    def _serve_by_gunicorn(self, data: bytes) -> bytes | None:
        """Let gunicorn serve one request. Return the bytes it read beyond it, or None if the connection ends."""
        request = None
        parser = self._parser = self._parser or http.get_parser(self._worker.cfg, self._client, self._addr)
        parser.unreader.unread(data)
        try:
            with self._worker.timeout_ctx():
                request = next(parser)
            if request is None:
                return None
            request.proxy_protocol_info = request.proxy_protocol_info or {}
            self._worker.handle_request(self._listener_name, request, self._client, self._addr)
            return parser.unreader.take_buffered() if parser.finish_body() else None
        except (StopIteration, NoMoreData):
            return None
        except OSError:
            raise
        except BaseException as error:
            self._worker.handle_error(request, self._client, self._addr, error)
            return None


def _environ_of(worker: Any, listener: tuple[Any, ...], addr: tuple[Any, ...]) -> dict[str, Any]:
    """Return what all requests of a connection have in common (PEP 3333)."""
    return {
        **base_environ(worker.cfg),
        "wsgi.multithread": True,
        "wsgi.url_scheme": "http",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": listener[0],
        "SERVER_PORT": str(listener[1]),
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": addr[0],
        "REMOTE_PORT": str(addr[1]),
    }


def _is_plain(fields: dict[str, Any]) -> bool:
    """Return whether the fields announce no body and say nothing about the connection.

    Content-Type and Content-Length get their WSGI names, which have no prefix.
    """
    if fields.pop("HTTP_CONTENT_LENGTH", "0") != "0" or "HTTP_HOST" not in fields:
        return False
    if fields.pop("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return False
    if "HTTP_CONTENT_TYPE" in fields:
        fields["CONTENT_TYPE"] = fields.pop("HTTP_CONTENT_TYPE")
    return _FOR_GUNICORN.isdisjoint(fields)


def _response_of(status: str, headers: list[tuple[str, str]], body: bytes, *, stays_open: bool) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a header of the response holds a line break")
    end = "" if stays_open else "Connection: close\r\n"
    head = f"HTTP/1.1 {status}\r\nDate: {_date(int(time.time()))}\r\n{end}{fields}\r\n"
    return head.encode("latin-1") + body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
