"""The API under gunicorn, with requests as bytes that no HTTP library would send."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GET = b"GET /v1/posts/a/count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
COMMAND = [
    *(sys.executable, "-m", "gunicorn", "tests.support.app_factory:fake_app()"),
    *("--bind", "127.0.0.1:0", "--worker-class", "service.server.worker.Worker", "--keep-alive", "5"),
    *("--no-control-socket", "--log-level", "info", "--limit-request-line", "0"),
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run gunicorn with the API on fake stores, and yield its port."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(COMMAND, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environ) as server:
        try:
            yield _listening_port(server)
        finally:
            server.terminate()
            server.communicate(timeout=20)


def _listening_port(server: subprocess.Popen[str]) -> int:
    assert server.stderr
    for line in server.stderr:
        if "Listening at" in line:
            return int(line.split("127.0.0.1:")[1].split()[0])
    raise AssertionError("gunicorn ended before it listened")


def exchange(port: int, sent: bytes) -> bytes:
    """Return everything that the server answers to `sent` before it closes the connection, within 10 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        return _rest(line)


def _rest(line: socket.socket) -> bytes:
    received, deadline = b"", time.monotonic() + 10
    while time.monotonic() < deadline and (part := line.recv(65_536)):
        received += part
    return received


def count(port: int) -> bytes:
    """Return the count of the post `a`."""
    return exchange(port, GET).split(b'"count":')[1].split(b",")[0]


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request as bytes, without any check."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + body


# A like inside a body.
HIDDEN = b"PUT /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = HIDDEN * 2_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/posts/a/count", b"200"),
        ("DELETE", "/v1/posts/a/like", b"200"),
        ("BREW", "/v1/posts/a/like", b"405"),
        ("POST", "/nowhere", b"404"),
        ("PUT", "/v1/posts/%00/like", b"400"),
        ("POST", "/api/likes", b"400"),
    ],
)
@pytest.mark.parametrize("body", [HIDDEN, LONG], ids=["short", "long"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_never_parsed_as_a_request(port, method, path, status, body, chunked):
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    payload = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    received = exchange(port, request(method, path, framing, body=payload) + GET)
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"413" if body is LONG else status, b"200"]
    assert count(port) == b"0"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("PUT", "/v1/posts/b//a/like"), b"400"),
        (request("PUT", "/v1/posts/../posts/a/like"), b"400"),
        (request("PUT", "/v1/posts/%2e%2e/like"), b"400"),
        (request("PUT", "/v1/posts/\xff/like"), b"400"),
        (request("PUT", "/v1/posts/a%00/like"), b"400"),
        (request("PUT", "/v1/posts/a/like%0A"), b"404"),
        (request("PUT", "/v1/posts/" + "a" * 3_000 + "/like"), b"400"),
        (request("PUT", "/v1/posts/" + "a" * 60_000 + "/like"), b"400"),
        (request("POST", "/api/likes", "Content-Length: x"), b"400"),
        (request("POST", "/api/likes", "Content-Length: -1"), b"400"),
        (request("POST", "/api/likes", "Transfer-Encoding: chunked", body=b"zz\r\n\r\n"), b"400"),
        (request("GET", "/v1/posts/a/count", "Host: \xff"), b"4"),
        (b"\x00\x01\x02\r\n\r\n", b"400"),
    ],
)
def test_malformed_bytes_get_a_4xx_and_change_nothing(port, sent, status):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        assert _rest(line).startswith(b"HTTP/1.1 " + status)
    assert count(port) == b"0"


def test_an_encoded_slash_is_part_of_the_id_under_gunicorn(port):
    liked = exchange(port, request("PUT", "/v1/posts/x%2Flike/like", "Connection: close"))
    assert b'"post":"x/like"' in liked
    assert b"404" in exchange(port, request("PUT", "/v1/posts/x%2Flike", "Connection: close")).split(b"\r\n")[0]
    absolute = exchange(port, request("GET", "http://x/v1/posts/x%2Flike/count", "Connection: close"))
    assert b'"count":1,' in absolute


def test_a_batch_of_the_longest_ids_fits(port):
    query = "&".join(f"post={number:0200}" for number in range(100))
    response = exchange(port, request("GET", f"/v1/counts?{query}", "Connection: close"))
    assert response.startswith(b"HTTP/1.1 200")
    assert response.count(b'"count":0,') == 100


LIKE = "/v1/posts/lane/like"
UNUSUAL = [
    pytest.param(["Host: x", "Transfer-Encoding: identity"], id="transfer-encoding"),
    pytest.param(["Host: x", "Content-Length: 0", "Content-Length: 0"], id="two lengths"),
    pytest.param(["Host: x", "Host: y"], id="two hosts"),
    pytest.param(["X: y"], id="no host"),
    pytest.param(["Host: x", "Likewise_Actor: 42"], id="underscore"),
    pytest.param(["Host: x", "A : b"], id="space before the colon"),
    pytest.param(["Host: x", "A: b", " c"], id="folded"),
    pytest.param(["Host: x", "A: \x00"], id="NUL"),
    pytest.param(["Host: x", "A: \xff"], id="no ASCII"),
    pytest.param(["Host: x", "Expect: 100-continue"], id="expect"),
    pytest.param(["Host: x", "Upgrade: h2c", "Connection: Upgrade"], id="upgrade"),
    pytest.param(["Host: x", "Connection: close"], id="close"),
]


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    """Open a connection that stays open."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        yield line


def read_response(line: socket.socket) -> bytes:
    """Read one response to its last byte."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = line.recv(65_536)
        assert part, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < size:
        body += line.recv(65_536)
    return head + b"\r\n\r\n" + body


def test_the_fast_path_and_gunicorn_share_one_connection(connection):
    sent = [
        ("PUT", LIKE, b"201"),
        ("GET", "/livez", b"200"),
        # No token is sent, so it is another visitor.
        ("PUT", LIKE, b"201"),
        ("POST", "/api/likes", b"400"),
        ("DELETE", LIKE, b"200"),
        ("PUT", "/v1/posts/a%2Fb/like", b"201"),
        ("GET", "/nowhere", b"404"),
        ("PUT", LIKE, b"201"),
    ]
    for method, path, status in sent:
        connection.sendall(request(method, path))
        assert read_response(connection)[9:12] == status


def test_a_response_of_the_fast_path_is_complete(connection):
    connection.sendall(request("PUT", LIKE, "Accept-Language: de", "X-Forwarded-For: 203.0.113.9"))
    head, _, body = read_response(connection).partition(b"\r\n\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert {b"date", b"content-type", b"content-length", b"cache-control", b"set-cookie"} <= set(names)
    assert len(names) == len(set(names))
    assert b'"liked":true' in body


def test_pipelined_requests_are_answered_in_order(connection):
    connection.sendall(request("PUT", LIKE) + request("GET", "/livez") + request("PUT", LIKE, "Connection: close"))
    received = _rest(connection)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"201", b"200", b"201"]


def test_a_head_may_arrive_byte_by_byte(connection):
    whole = request("PUT", LIKE)
    for at in range(len(whole)):
        connection.sendall(whole[at : at + 1])
    assert read_response(connection)[9:12] == b"201"


@pytest.mark.parametrize("fields", UNUSUAL)
def test_gunicorn_answers_unusual_requests(port, fields):
    sent = "\r\n".join([f"PUT {LIKE} HTTP/1.1", *fields, "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        received = _rest(line)
    assert received.startswith((b"HTTP/1.1 100", b"HTTP/1.1 201", b"HTTP/1.1 4", b"HTTP/1.1 5")), received
    assert b"Server: gunicorn" in received or received.startswith(b"HTTP/1.1 4"), received
    assert b"42" not in received.partition(b"\r\n\r\n")[2] or b"user:" not in received


def test_a_truncated_request_does_not_affect_others(port):
    for sent in (b"", b"PUT", request("PUT", LIKE)[:-2], request("PUT", LIKE)):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(sent)
    assert exchange(port, request("GET", "/livez", "Connection: close")).startswith(b"HTTP/1.1 200")
