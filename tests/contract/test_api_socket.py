"""The API under gunicorn, byte by byte: what a client of the library would never send."""

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
    *(sys.executable, "-m", "gunicorn", "tests.contract.api_world:memory_app()"),
    *("--bind", "127.0.0.1:0", "--worker-class", "gevent", "--keep-alive", "5"),
    *("--no-control-socket", "--log-level", "info", "--limit-request-line", "0"),
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a gunicorn with the API on fake stores."""
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


def talk(port: int, sent: bytes) -> bytes:
    """Everything the server answers to `sent` before it closes, within 10 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        return _rest(line)


def _rest(line: socket.socket) -> bytes:
    heard, deadline = b"", time.monotonic() + 10
    while time.monotonic() < deadline and (part := line.recv(65_536)):
        heard += part
    return heard


def count(port: int) -> bytes:
    """The line of the answer that says what post `a` counts."""
    return talk(port, GET).split(b'"count":')[1].split(b",")[0]


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes, nothing checked."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + body


HIDDEN = b"PUT /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n\r\n"  # a like, where a body was meant
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
def test_a_body_is_never_taken_for_a_request(port, method, path, status, body, chunked):
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    payload = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    heard = talk(port, request(method, path, framing, body=payload) + GET)
    statuses = [part[:3] for part in heard.split(b"HTTP/1.1 ")[1:]]
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
def test_odd_bytes_are_a_4xx_and_change_nothing(port, sent, status):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        assert _rest(line).startswith(b"HTTP/1.1 " + status)
    assert count(port) == b"0"


def test_an_encoded_slash_reaches_the_id_under_gunicorn(port):
    liked = talk(port, request("PUT", "/v1/posts/x%2Flike/like", "Connection: close"))
    assert b'"post":"x/like"' in liked
    assert b"404" in talk(port, request("PUT", "/v1/posts/x%2Flike", "Connection: close")).split(b"\r\n")[0]
    absolute = talk(port, request("GET", "http://x/v1/posts/x%2Flike/count", "Connection: close"))
    assert b'"count":1,' in absolute


def test_a_batch_of_the_longest_ids_fits(port):
    asked = "&".join(f"post={number:0200}" for number in range(100))
    answer = talk(port, request("GET", f"/v1/counts?{asked}", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b'"count":0,') == 100
