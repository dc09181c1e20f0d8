"""Test the options of a load test, its tokens, and the bytes of requests and responses."""

from datetime import UTC, datetime

import pytest

from service.auth.client_address import NetworkSet, client_address, network_of
from service.auth.visitor_token import TOKEN_CHARS, VisitorKeys
from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE
from service.loadtest.generator.http import (
    BadResponseError,
    Requests,
    Response,
    body_of,
    parse_response,
    problem_detail,
)
from service.loadtest.generator.plan import DrillUsageError, Options, Target, parse_duration, parse_url, post_names
from service.loadtest.generator.tokens import sign
from tests.support.stack.loadtest_target import SETTINGS

POSTS = ["one", "two"]
CREATED = b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("4m", 240), ("1.5h", 5400), ("500ms", 0.5), ("30", 30), (" 2s ", 2)]
)
def test_a_duration_is_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "4 min", "-3s", "1e3", "4m30s", "nan"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(DrillUsageError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"likes": 0}, "--likes"),
        ({"likes": 10**9}, "--likes"),
        ({"seconds": 0}, "--in"),
        ({"seconds": 7200}, "--in"),
        ({"posts": 0}, "--posts"),
        ({"posts": 101}, "--posts"),
        ({"profile": "sine"}, "--profile"),
        ({"zipf": -1}, "--zipf"),
        ({"unlikes": 1.1}, "--unlikes"),
        ({"repeats": -0.1}, "--repeats"),
        ({"unlikes": 0.6, "repeats": 0.6}, "must add up to at most 1"),
        ({"networks": -1}, "--networks"),
        ({"max_connections": 0}, "--connections"),
    ],
)
def test_options_have_bounds(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(DrillUsageError, match=reason):
        Options(**{"likes": 100, "seconds": 1} | changes)  # type: ignore[arg-type]


def test_a_url_is_parsed() -> None:
    assert parse_url("http://127.0.0.1:8080") == Target("127.0.0.1", 8080)
    assert parse_url("http://example.org/").authority == "example.org"
    assert parse_url("http://[::1]:81").authority == "[::1]:81"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "https://a", "http://", "http://a:x", "http://a:99999", "http://a/b", "http://u@a", "x"]
)
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(DrillUsageError):
        parse_url(url)


def test_each_run_has_its_own_posts() -> None:
    moment = datetime(2025, 3, 4, 5, 6, 7, 89, UTC)
    assert post_names(2, moment) == ["drill-20250304T050607.000089-0", "drill-20250304T050607.000089-1"]
    assert set(post_names(1)).isdisjoint(post_names(1))


def test_a_request_has_the_token_of_its_visitor_and_its_post() -> None:
    tokens = b"".join(letter * 68 for letter in (b"a", b"b", b"c"))
    requests = Requests(Target("host", 81), POSTS, [0, 1, 0], tokens)
    head, _, rest = requests.build(LIKE, 2).partition(b"\r\n")
    assert head == b"PUT /v1/posts/one/like HTTP/1.1"
    assert rest.endswith(b"Likewise-Visitor: " + b"c" * 68 + b"\r\n\r\n")
    assert b"Host: host:81\r\n" in rest
    assert requests.build(LIKE, 1).startswith(b"PUT /v1/posts/two/like ")
    assert requests.build(REPEAT, 2) == requests.build(LIKE, 2)
    assert requests.build(UNLIKE, 2) == requests.build(LIKE, 2).replace(b"PUT", b"DELETE", 1)


def test_visitors_come_from_the_given_number_of_networks() -> None:
    proxies = NetworkSet(["10.0.0.0/8"], "trusted_proxies")
    requests = Requests(Target("host", 81), POSTS, [0] * 7, b"t" * 68 * 7, networks=3)
    sent = [requests.build(LIKE, at).decode() for at in range(7)]
    addresses = [one.partition("X-Forwarded-For: ")[2].strip() for one in sent]
    assert addresses[0] == addresses[3] == addresses[6]
    assert len({network_of(client_address("10.0.0.1", address, proxies)) for address in addresses}) == 3


def test_each_visitor_has_its_own_token() -> None:
    keys, progress = VisitorKeys(SETTINGS), list[int]()
    tokens = sign(keys, 5_003, progress.append)
    visitors = {keys.read(tokens[at : at + TOKEN_CHARS].decode()) for at in range(0, len(tokens), TOKEN_CHARS)}
    assert (len(visitors), None in visitors) == (5_003, False)
    assert progress == [5_000, 5_003]


@pytest.mark.parametrize("cut", range(len(CREATED)))
def test_a_response_in_pieces(cut: int) -> None:
    assert parse_response(CREATED[:cut]) is None
    assert parse_response(CREATED) == Response(201, keep_alive=True, unknown_token=False)


@pytest.mark.parametrize(
    ("data", "closed", "response"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", False, Response(200, False, False)),
        (b"HTTP/1.0 503 X\r\nContent-Length: 0\r\n\r\n", False, Response(503, False, False)),
        (b"HTTP/1.1 204 X\r\n\r\n", False, Response(204, True, False)),
        (b"HTTP/1.1 201 X\r\nLikewise-Visitor: t\r\nContent-Length: 0\r\n\r\n", False, Response(201, True, True)),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False, None),
        (
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            False,
            Response(200, True, False),
        ),
        (b"HTTP/1.1 200 X\r\n\r\nall", True, Response(200, False, False)),
        (b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nall", True, Response(200, False, False)),
        (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\npart", True, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CREATED, False, Response(201, True, False)),
    ],
)
def test_a_response_is_parsed(data: bytes, closed: bool, response: Response | None) -> None:
    assert parse_response(data, closed=closed) == response


def test_the_same_head_is_parsed_once_but_its_body_may_be_incomplete() -> None:
    head = b"HTTP/1.1 201 CREATED\r\nContent-Length: 4\r\n\r\n"
    assert [parse_response(head + b"body"[:cut]) is None for cut in range(5)] == [True] * 4 + [False]
    assert parse_response(head + b"body") is parse_response(head + b"post")


@pytest.mark.parametrize(
    ("data", "detail"), [(b'{"detail":"Full."}', "Full."), (b"<html>", ""), (b"[]", ""), (b"{}", ""), (b"", "")]
)
def test_the_detail_of_a_problem_is_read(data: bytes, detail: str) -> None:
    assert problem_detail(body_of(b"HTTP/1.1 503 X\r\nA: b\r\n\r\n" + data)) == detail


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_malformed_response_is_refused(data: bytes) -> None:
    with pytest.raises(BadResponseError):
        parse_response(data)
