"""Test the NGINX of `likewise up` in front of a server that records connections, and can lose them."""

import http.client
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from service.devstack.nginx import nginx_argv
from service.devstack.ports import status_of
from service.devstack.processes import HOST, free_ports, make_reachable, spawn, terminate
from tests.support.waiting import wait_for

LIKE = "/v1/posts/a/like"


class Upstream:
    """An API that answers each request with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.connections = 0
        self.requests: list[str] = []
        self.headers: http.client.HTTPMessage
        # The number of the next requests that are read and never answered.
        self.losses = 0

    def answer(self, method: str, headers: http.client.HTTPMessage) -> bytes:
        """Record a request and return the response. Empty if the connection is lost instead."""
        self.requests.append(method)
        self.headers = headers
        if self.losses:
            self.losses -= 1
            return b""
        return b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % self.status


class Server(socketserver.ThreadingTCPServer):
    """A server with a thread for each connection."""

    daemon_threads = True

    def __init__(self, upstream: Upstream) -> None:
        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                upstream.connections += 1
                while request_line := self.rfile.readline():
                    headers = http.client.parse_headers(self.rfile)
                    self.rfile.read(int(headers.get("Content-Length", 0)))
                    response = upstream.answer(request_line.split()[0].decode(), headers)
                    if not response:
                        return
                    self.wfile.write(response)

        super().__init__((HOST, 0), Connection)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


class Nginx:
    """The NGINX under test, and one client connection that is kept."""

    def __init__(self, port: int, log: Path) -> None:
        self.log = log
        self.client = http.client.HTTPConnection(HOST, port, timeout=10)

    def request(self, method: str, path: str = LIKE, **more: Any) -> int:
        """Return the status of a request."""
        self.client.request(method, path, **more)
        response = self.client.getresponse()
        response.read()
        return response.status


@pytest.fixture
def nginx(tmp_path: Path, upstream: Upstream) -> Iterator[Nginx]:
    """Run NGINX with one worker in front of the upstream, and forget the request that found it ready."""
    make_reachable(tmp_path / "any")
    [port], log = free_ports(1), tmp_path / "nginx.log"
    with Server(upstream) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        stack.callback(server.shutdown)
        process = spawn(nginx_argv(tmp_path, log, port=port, api_port=server.server_address[1], workers=1), log=log)
        stack.callback(terminate, [process], timeout_s=5)
        wait_for(lambda: status_of(port, "/readyz") == 200)
        upstream.requests.clear()
        nginx = Nginx(port, log)
        with closing(nginx.client):
            yield nginx


def test_one_connection_of_a_client_and_one_to_the_api_serve_many_requests(nginx: Nginx, upstream: Upstream) -> None:
    assert nginx.request("PUT") == 200
    kept = nginx.client.sock
    assert {nginx.request("PUT") for _ in range(200)} == {200}
    assert nginx.client.sock is kept
    assert upstream.requests == ["PUT"] * 201
    assert upstream.connections == 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_failed_requests_are_logged_and_successful_ones_are_not(nginx: Nginx, upstream: Upstream, status: int) -> None:
    for upstream.status, path in ((201, "/good"), (304, "/good"), (status, "/bad"), (204, "/good")):
        assert nginx.request("PUT", path) == upstream.status
    wait_for(lambda: "/bad" in nginx.log.read_text())
    [line] = nginx.log.read_text().splitlines()
    assert f'{HOST} "PUT /bad HTTP/1.1" {status} ' in line
    assert f"upstream: {status}, request_id: " in line


@pytest.mark.parametrize(("method", "status", "attempts"), [("PUT", 200, 2), ("DELETE", 200, 2), ("POST", 503, 1)])
def test_only_idempotent_requests_are_repeated_after_a_lost_connection(
    nginx: Nginx, upstream: Upstream, method: str, status: int, attempts: int
) -> None:
    upstream.losses = 1
    assert nginx.request(method) == status
    assert upstream.requests == [method] * attempts


def test_headers_that_the_api_reads_are_passed_on_and_others_are_not(nginx: Nginx, upstream: Upstream) -> None:
    read = {
        "Accept-Language": "de",
        "Authorization": "Bearer x",
        "Content-Type": "text/plain",
        "Cookie": "a=b",
        "Idempotency-Key": "one",
        "If-None-Match": '"1"',
        "Likewise-Visitor": "x",
        "Origin": "https://blog.example",
        "Sec-Fetch-Site": "same-site",
        "traceparent": "00-x",
    }
    unread = dict.fromkeys(("Accept", "Accept-Encoding", "Referer", "Sec-CH-UA", "Sec-Fetch-Mode", "User-Agent"), "x")
    assert nginx.request("GET", headers=read | unread) == 200
    assert read.items() <= dict(upstream.headers.items()).items()
    added = {"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID"}
    assert set(upstream.headers) == read.keys() | added


def test_heads_up_to_32_kb_and_bodies_up_to_16_kb_are_accepted(nginx: Nginx, upstream: Upstream) -> None:
    assert nginx.request("GET", f"/v1/counts?posts={'a' * 30_000}") == 200
    assert nginx.request("PUT", headers={"Cookie": "a" * 30_000}) == 200
    assert nginx.request("POST", body=b"a" * 16_384) == 200
    passed_on = len(upstream.requests)
    assert nginx.request("GET", f"/v1/counts?posts={'a' * 33_000}") == 400
    nginx.client.close()
    assert nginx.request("PUT", headers={"Cookie": "a" * 33_000}) == 400
    nginx.client.close()
    assert nginx.request("POST", body=b"a" * 16_385) == 413
    assert len(upstream.requests) == passed_on
