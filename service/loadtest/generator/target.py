"""Asking the target before and after the load, one request at a time."""

import json
import socket
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from service.auth.visitor_token import HEADER, mint
from service.core.likes import MAX_POSTS
from service.errors import ConfigurationError, LikewiseError
from service.loadtest.generator.http import detail_of
from service.loadtest.generator.plan import DrillUsageError, Target
from service.loadtest.generator.pool import Address

_TIMEOUT_S = 10.0


class RefusedError(LikewiseError):
    """The target does not take likes."""


def resolve(target: Target) -> Address:
    """The first address of the target that takes a connection. Raises DrillUsageError."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DrillUsageError(f"{target.host} is not known: {error}") from error
    reason: OSError | None = None
    for family, _, _, _, address in found:
        where = str(address[0]), int(address[1])
        try:
            socket.create_connection(where, timeout=_TIMEOUT_S).close()
        except OSError as error:
            reason = error
        else:
            return family, where
    raise DrillUsageError(_silent(target, reason)) from reason


def try_out(target: Target, address: Address, secret: bytes, post: str) -> None:
    """Like `post` and take it back: the target answers, takes likes, and knows our visitors.

    Raises DrillUsageError, ConfigurationError or RefusedError.
    """
    token = mint(secret)
    path = f"/v1/posts/{post}/like"
    try:
        status, headers, body = _ask(target, address, "PUT", path, token)
    except (OSError, HTTPException) as error:
        raise DrillUsageError(_silent(target, error)) from error
    if HEADER in headers or status == 401:
        raise ConfigurationError(
            f"http://{target.authority} does not know our visitors: LIKEWISE_SECRET is not the one it was started with"
        )
    if status != 201:
        raise RefusedError(
            f"http://{target.authority} does not take likes: it answered {status} {detail_of(body)}".strip()
        )
    _ask(target, address, "DELETE", path, token)


def counts(target: Target, address: Address, posts: Sequence[str]) -> dict[str, int]:
    """What readers see of each post. Raises RefusedError."""
    shown: dict[str, int] = {}
    for first in range(0, len(posts), MAX_POSTS):
        query = "&".join(f"post={post}" for post in posts[first : first + MAX_POSTS])
        try:
            status, _, body = _ask(target, address, "GET", f"/v1/counts?{query}", "")
            if status != 200:
                raise RefusedError(f"counts were answered {status} {detail_of(body)}")
            shown |= {row["post"]: int(row["count"]) for row in json.loads(body)["counts"]}
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"counts could not be read: {error or type(error).__name__}") from error
    return shown


class Reader:
    """Another reader of the target, on a connection of its own that it keeps."""

    def __init__(self, target: Target, address: Address) -> None:
        self._target = target
        self._connection = HTTPConnection(*address[1], timeout=_TIMEOUT_S)

    def count(self, post: str) -> int:
        """What a reader sees of the post now. Raises RefusedError."""
        try:
            self._connection.request("GET", f"/v1/posts/{post}/count", headers={"Host": self._target.authority})
            response = self._connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RefusedError(f"a reader was answered {response.status} {detail_of(body)}".strip())
            return int(json.loads(body)["count"])
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            self.close()  # the next look opens it again
            raise RefusedError(f"a reader could not read: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _ask(target: Target, address: Address, method: str, path: str, token: str) -> tuple[int, Any, bytes]:
    with closing(HTTPConnection(*address[1], timeout=_TIMEOUT_S)) as connection:
        headers = {"Host": target.authority} | ({HEADER: token} if token else {})
        connection.request(method, path, headers=headers)
        response: HTTPResponse = connection.getresponse()
        return response.status, response.headers, response.read()


def _silent(target: Target, error: Exception | None) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"http://{target.authority} does not answer: {reason}"
