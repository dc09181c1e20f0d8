"""One connection, request by request: likes and counts, as buttons send them, past gunicorn's parser.

A request takes the lane only where its whole head is one that can't be read in two ways: plain names and values, no
body, nothing about the connection itself. All others are handed to gunicorn, with every byte that was read.
"""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from gunicorn import http
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import Parser
from gunicorn.http.wsgi import base_environ

_HEAD: Final = re.compile(
    rb"(GET|PUT|DELETE) (/v1/[!-~]+) HTTP/1\.1\r\n((?:[A-Za-z][A-Za-z0-9-]*: ?[\x20-\x7e]*\r\n)+)\r\n"
)
_HEAD_BYTES = 16 * 1024
_FOR_GUNICORN = frozenset(
    {"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE", "HTTP_TE", "HTTP_TRAILER", "HTTP_HTTP2_SETTINGS"}
)


class Connection:
    def __init__(self, worker: Any, hot: Any, listener: Any, client: Any, addr: tuple[str, int]) -> None:
        self._worker = worker
        self._hot = hot
        self._client = client
        self._addr = addr
        self._listener_name = listener.getsockname()
        self._environ = _environ_of(worker, self._listener_name, addr)
        self._parser: Parser | None = None
        self._idle = False

    def serve(self) -> None:
        """Answer until either side ends it. Raises OSError where the client is gone."""
        rest = b""
        while True:
            data = rest or self._receive()
            if not data:
                return
            environ = self._in_lane(data)
            if environ is None:
                left = self._through_gunicorn(data)
                if left is None:
                    return
                rest = left
            else:
                rest = b""
                if not self._answer(environ):
                    return

    def hang_up(self) -> None:
        """End it where it is idle; what has already arrived is answered first."""
        if self._idle:
            with suppress(OSError):  # the client was quicker
                self._client.shutdown(socket.SHUT_RD)

    def _receive(self) -> bytes:
        self._idle = True
        try:
            with self._worker.timeout_ctx():
                return self._client.recv(_HEAD_BYTES)  # type: ignore[no-any-return]
            return b""  # idle for as long as is allowed
        finally:
            self._idle = False

    def _in_lane(self, data: bytes) -> dict[str, Any] | None:
        head = _HEAD.fullmatch(data)
        if head is None or not self._hot.takes(method := head[1].decode(), target := head[2].decode()):
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
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "wsgi.input": BytesIO(),
        }

    def _answer(self, environ: dict[str, Any]) -> bool:
        """Ask the application, and send what it says in one write; whether the connection stays."""
        self._worker.count_request()
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            started[:] = status, headers

        said: Iterable[bytes] = self._worker.wsgi(environ, start_response)
        body = b"".join(said)
        if close := getattr(said, "close", None):
            close()
        stays: bool = self._worker.alive
        data = _answer_of(started[0], started[1], body, stays=stays)
        sent = self._client.send(data)
        if sent < len(data):
            self._client.sendall(data[sent:])
        return stays

    def _through_gunicorn(self, data: bytes) -> bytes | None:
        """One request, by gunicorn from its first byte; what it read beyond, or None where the connection ends."""
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


def _environ_of(worker: Any, listener: tuple[str, int], addr: tuple[str, int]) -> dict[str, Any]:
    """What all requests of a connection have in common (PEP 3333)."""
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
    """No body, nothing about the connection; and the two fields that WSGI names otherwise get their names."""
    if fields.pop("HTTP_CONTENT_LENGTH", "0") != "0" or "HTTP_HOST" not in fields:
        return False
    if fields.pop("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return False
    if "HTTP_CONTENT_TYPE" in fields:
        fields["CONTENT_TYPE"] = fields.pop("HTTP_CONTENT_TYPE")
    return _FOR_GUNICORN.isdisjoint(fields)


def _answer_of(status: str, headers: list[tuple[str, str]], body: bytes, *, stays: bool) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a header of the answer holds a line break")
    end = "" if stays else "Connection: close\r\n"
    head = f"HTTP/1.1 {status}\r\nDate: {_date(int(time.time()))}\r\n{end}{fields}\r\n"
    return head.encode("latin-1") + body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
