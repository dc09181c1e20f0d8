"""Ask the target before and after the load, one request at a time."""

import json
import socket
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from service.auth.visitor_token import VISITOR_HEADER, VisitorKeys
from service.core.likes import MAX_POSTS
from service.errors import ConfigurationError, LikewiseError
from service.loadtest.generator.http import problem_detail
from service.loadtest.generator.plan import DrillUsageError, Target
from service.loadtest.generator.pool import Address

_TIMEOUT_S = 10.0


class RefusedError(LikewiseError):
    """The target does not accept likes, or does not show counts."""


def resolve(target: Target) -> Address:
    """Return the first address of the target that accepts a connection. Raises DrillUsageError."""
    try:
        candidates = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DrillUsageError(f"--url: the host {target.host} cannot be resolved: {error}") from error
    reason: OSError | None = None
    for family, _, _, _, sockaddr in candidates:
        address = str(sockaddr[0]), int(sockaddr[1])
        try:
            socket.create_connection(address, timeout=_TIMEOUT_S).close()
        except OSError as error:
            reason = error
        else:
            return family, address
    raise DrillUsageError(_no_answer(target, reason)) from reason


def probe(target: Target, address: Address, keys: VisitorKeys, post: str) -> None:
    """Like `post` and take the like back, to check that the target accepts our visitors' likes.

    Raises DrillUsageError, ConfigurationError or RefusedError.
    """
    token = keys.mint()
    path = f"/v1/posts/{post}/like"
    try:
        status, headers, body = _request(target, address, "PUT", path, token)
    except (OSError, HTTPException) as error:
        raise DrillUsageError(_no_answer(target, error)) from error
    if VISITOR_HEADER in headers or status == 401:
        raise ConfigurationError(
            f"http://{target.authority} rejects our visitors' tokens: "
            "LIKEWISE_SECRET must be the secret that the service was started with"
        )
    if status != 201:
        raise RefusedError(
            f"http://{target.authority} does not accept likes: it answered {status} {problem_detail(body)}".strip()
        )
    _request(target, address, "DELETE", path, token)


def read_counts(target: Target, address: Address, posts: Sequence[str]) -> dict[str, int]:
    """Return the count of each post that readers see. Raises RefusedError."""
    counts: dict[str, int] = {}
    for first in range(0, len(posts), MAX_POSTS):
        query = "&".join(f"post={post}" for post in posts[first : first + MAX_POSTS])
        try:
            status, _, body = _request(target, address, "GET", f"/v1/counts?{query}", "")
            if status != 200:
                raise RefusedError(f"the request for counts was answered with {status} {problem_detail(body)}")
            counts |= {row["post"]: int(row["count"]) for row in json.loads(body)["counts"]}
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"counts could not be read: {error or type(error).__name__}") from error
    return counts


class CountReader:
    """An independent reader of counts, on a keep-alive connection of its own."""

    def __init__(self, target: Target, address: Address) -> None:
        self._target = target
        self._connection = HTTPConnection(*address[1], timeout=_TIMEOUT_S)

    def count(self, post: str) -> int:
        """Return the count of the post that a reader sees now. Raises RefusedError."""
        try:
            self._connection.request("GET", f"/v1/posts/{post}/count", headers={"Host": self._target.authority})
            response = self._connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RefusedError(f"a reader was answered with {response.status} {problem_detail(body)}".strip())
            return int(json.loads(body)["count"])
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            # The next call opens the connection again.
            self.close()
            raise RefusedError(f"a reader could not read a count: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _request(target: Target, address: Address, method: str, path: str, token: str) -> tuple[int, Any, bytes]:
    with closing(HTTPConnection(*address[1], timeout=_TIMEOUT_S)) as connection:
        headers = {"Host": target.authority} | ({VISITOR_HEADER: token} if token else {})
        connection.request(method, path, headers=headers)
        response: HTTPResponse = connection.getresponse()
        return response.status, response.headers, response.read()


def _no_answer(target: Target, error: Exception | None) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"http://{target.authority} does not answer: {reason}"
