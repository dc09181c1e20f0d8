"""The event loop parses requests exactly as gunicorn does, and leaves all others to gunicorn."""

import socket
from types import SimpleNamespace

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from hypothesis import example, given
from hypothesis import strategies as st

from service.server.connection import Connection, without_ipv4_mapping
from service.server.exchange import Exchange
from service.server.request_head import parse_head

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


@pytest.fixture(scope="module")
def connection():
    """Return a connection to a worker that does nothing."""
    worker = SimpleNamespace(cfg=CONFIG, loop=gevent.get_hub().loop, forget=lambda _: None)
    ours, theirs = socket.socketpair()
    with ours:
        connection = Connection(worker, theirs, CLIENT, LISTENER)
        yield connection
        connection.close()


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
def test_gunicorn_parses_the_request_in_the_same_way(connection, data):
    head = parse_head(data)
    if head is not None:
        environ = Exchange(connection, head).wsgi_environ()
        assert request_part(environ) == request_part(by_gunicorn(data[: head.length]))


@pytest.mark.parametrize("data", [LIKE + HOST + b"\r\n", COUNTS + HOST + b"Accept: */*\r\n\r\n"])
def test_plain_requests_are_parsed(data):
    head = parse_head(data)
    assert head
    assert head.length == len(data)


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
    assert parse_head(LIKE + HOST + field + b"\r\n\r\n") is None


@pytest.mark.parametrize("data", [b"", b"PUT", LIKE, LIKE + HOST, LIKE + b"\r\n", b"\r\n" + LIKE + HOST + b"\r\n"])
def test_partial_requests_are_left_to_gunicorn(data):
    assert parse_head(data) is None


def test_a_pipelined_request_is_not_part_of_the_head():
    first = LIKE + HOST + b"\r\n"
    assert parse_head(first + COUNTS + HOST + b"\r\n").length == len(first)


def test_an_incomplete_head_takes_linear_time():
    """A pattern that can match a field in two ways would not return."""
    assert parse_head(LIKE + HOST + b"A: b\r\n" * 1_000) is None


@pytest.mark.parametrize("count", [100, 101])
def test_gunicorn_refuses_heads_that_are_too_large(count):
    more = b"".join(b"A-%d: b\r\n" % at for at in range(count - 1))
    assert (parse_head(LIKE + HOST + more + b"\r\n") is None) == (count > 100)
    assert parse_head(LIKE + HOST + b"A: " + b"b" * 8_190 + b"\r\n\r\n") is None


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
    assert without_ipv4_mapping(addr) == client
