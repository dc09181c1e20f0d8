"""The fast path of a connection parses requests exactly as gunicorn does, and leaves all others to gunicorn."""

from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from hypothesis import example, given
from hypothesis import strategies as st

from service.api.fast_path import FastPath
from service.server.fast_connection import FastConnection
from service.server.worker import _without_ipv4_mapping

CLIENT, LISTENER = ("203.0.113.9", 4711), ("127.0.0.1", 8000)
LIKE = b"PUT /v1/posts/a/b:c/like HTTP/1.1\r\n"
COUNTS = b"GET /v1/counts?post=a&post=b HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
NAMES = [b"Host", b"Accept", b"Content-Length", b"Content-Type", b"Connection", b"Likewise-Visitor", b"Likewise_Actor"]
MORE_NAMES = [b"Transfer-Encoding", b"Expect", b"Upgrade", b"X-Forwarded-For", b"Origin", b"TE", b"", b"A b", b"Cookie"]
VALUES = [
    b"x",
    b"0",
    b"1",
    b"",
    b"keep-alive",
    b"close",
    b"chunked",
    b"100-continue",
    b"a, b",
    b" spaced ",
    b"\xff",
    b"a\x00b",
]
BREAKS = [b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\r\n"]
CONFIG = Config()


def connection() -> FastConnection:
    """Make a connection without a socket."""
    worker = SimpleNamespace(cfg=CONFIG)
    fast_path = FastPath(None, None, None)
    return FastConnection(worker, fast_path, SimpleNamespace(getsockname=lambda: LISTENER), None, CLIENT)


def by_gunicorn(data: bytes) -> dict[str, object]:
    """Return the environ that gunicorn makes of the bytes, which hold exactly one request."""
    parser = RequestParser(CONFIG, iter([data]), CLIENT)
    request = next(parser)
    _, environ = create(request, None, CLIENT, LISTENER, CONFIG)
    assert not request.body.read()
    assert not parser.unreader.take_buffered()
    return environ


def request_part(environ: dict[str, object]) -> dict[str, object]:
    """Return the part of an environ that describes the request, not the server or the connection."""
    dropped = {"HTTP_CONNECTION", "CONTENT_LENGTH"}
    prefixes = ("HTTP_", "CONTENT_", "REQUEST_", "QUERY_", "PATH_", "RAW_", "SCRIPT_", "REMOTE_", "SERVER_")
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(prefixes) and name not in dropped and name != "SERVER_SOFTWARE"
    }


GOOD = [b"Accept", b"Content-Type", b"Likewise-Visitor", b"X-Forwarded-For", b"Origin", b"Cookie"]


def mostly_usual(odd: list[bytes], usual: list[bytes], times: int) -> st.SearchStrategy[bytes]:
    """Return mostly usual values, so that a head with one fault is as likely as one with none."""
    return st.sampled_from(usual * times + odd)


fields = st.lists(
    st.tuples(
        mostly_usual(NAMES + MORE_NAMES, GOOD, 20),
        mostly_usual([b":", b" :", b":\t", b""], [b": "], 60),
        st.one_of(
            st.text("abc/;,= ", max_size=9).map(str.encode),
            mostly_usual(VALUES, [b"x", b"0"], 40),
            st.binary(max_size=4),
        ),
        mostly_usual(BREAKS, [b"\r\n"], 100),
    ),
    max_size=4,
)
lines = st.sampled_from(
    [LIKE, COUNTS, LIKE.replace(b"PUT", b"DELETE")] * 4
    + [LIKE.replace(b"1.1", b"1.0"), b"PUT /v1/posts/%61/like HTTP/1.1\r\n"]
)
heads = st.builds(
    lambda line, fields, end: line + HOST + b"".join(map(b"".join, fields)) + end,
    lines,
    fields,
    mostly_usual([b"", b"\r\nx", b"\n"], [b"\r\n"], 12),
)


@given(heads)
@example(LIKE + HOST + b"Likewise-Visitor: t\r\nAccept: */*\r\n\r\n")
@example(COUNTS + HOST + b'If-None-Match: W/"x"\r\n\r\n')
@example(LIKE + HOST + b"Content-Length: 0\r\nContent-Type: text/plain\r\nConnection: Keep-Alive\r\n\r\n")
def test_gunicorn_parses_a_fast_request_in_the_same_way(data):
    environ = connection()._parse_fast(data)
    if environ is not None:
        assert request_part(environ) == request_part(by_gunicorn(data))


@pytest.mark.parametrize("data", [LIKE + HOST + b"\r\n", COUNTS + HOST + b"Accept: */*\r\n\r\n"])
def test_plain_requests_take_the_fast_path(data):
    assert connection()._parse_fast(data) is not None


@pytest.mark.parametrize(
    "field",
    [
        *(
            b"Transfer-Encoding: chunked",
            b"Content-Length: 5",
            b"Content-Length: +0",
            b"Expect: 100-continue",
            b"Host: y",
        ),
        *(
            b"Upgrade: h2c",
            b"Connection: close",
            b"Connection: upgrade",
            b"Likewise_Actor: 42",
            b" folded: x",
            b"A\x00: x",
        ),
        *(
            b"A: \x00",
            b"A: \xff",
            b"A: \x7f",
            b"A : x",
            b": x",
            b"TE: trailers",
            b"Trailer: x",
            b"A: x\nB: y",
            b"A: x\rB: y",
        ),
    ],
)
def test_ambiguous_requests_are_left_to_gunicorn(field):
    assert connection()._parse_fast(LIKE + HOST + field + b"\r\n\r\n") is None


@pytest.mark.parametrize(
    "data", [b"", b"PUT", LIKE, LIKE + HOST, LIKE + b"\r\n", LIKE + HOST + b"\r\nx", (LIKE + HOST + b"\r\n") * 2]
)
def test_partial_and_pipelined_requests_are_left_to_gunicorn(data):
    assert connection()._parse_fast(data) is None


def test_gunicorn_refuses_a_malformed_request():
    """Without this, the comparison above might compare nothing."""
    with pytest.raises(ParseException):
        by_gunicorn(LIKE + HOST + b"A : x\r\n\r\n")


@pytest.mark.parametrize(
    ("addr", "client"),
    [
        (("::ffff:203.0.113.9", 4711, 0, 0), ("203.0.113.9", 4711)),
        (("2001:db8::1", 4711, 0, 0), ("2001:db8::1", 4711, 0, 0)),
        (CLIENT, CLIENT),
        ("", ""),
    ],
)
def test_an_ipv4_client_of_a_dual_stack_socket_has_its_ipv4_address(addr, client):
    assert _without_ipv4_mapping(addr) == client
