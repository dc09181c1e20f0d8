"""The pure parts of the drill before it starts: what was asked, tokens, bytes."""

from datetime import UTC, datetime

import pytest

from service.auth.client_address import Networks, client_address, network_of
from service.auth.visitor_token import TOKEN_CHARS, actor_of
from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE
from service.loadtest.generator.http import Answer, BadAnswerError, Requests, answer_in, body_of, detail_of
from service.loadtest.generator.plan import DrillUsageError, Options, Target, parse_duration, parse_url, post_names
from service.loadtest.generator.tokens import sign

POSTS = ["one", "two"]
CREATED = b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("4m", 240), ("1.5h", 5400), ("500ms", 0.5), ("30", 30), (" 2s ", 2)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "4 min", "-3s", "1e3", "4m30s", "nan"])
def test_what_is_no_duration(text: str) -> None:
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
        ({"unlikes": 0.6, "repeats": 0.6}, "at most 1 together"),
        ({"networks": -1}, "--networks"),
        ({"most_connections": 0}, "--connections"),
    ],
)
def test_options_have_bounds(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(DrillUsageError, match=reason):
        Options(**{"likes": 100, "seconds": 1} | changes)  # type: ignore[arg-type]


def test_addresses() -> None:
    assert parse_url("http://127.0.0.1:8080") == Target("127.0.0.1", 8080)
    assert parse_url("http://example.org/").authority == "example.org"
    assert parse_url("http://[::1]:81").authority == "[::1]:81"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "https://a", "http://", "http://a:x", "http://a:99999", "http://a/b", "http://u@a", "x"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(DrillUsageError):
        parse_url(url)


def test_runs_have_posts_of_their_own() -> None:
    moment = datetime(2025, 3, 4, 5, 6, 7, 89, UTC)
    assert post_names(2, moment) == ["drill-20250304T050607.000089-0", "drill-20250304T050607.000089-1"]
    assert set(post_names(1)).isdisjoint(post_names(1))


def test_a_request_is_of_its_visitor_and_post() -> None:
    tokens = b"".join(letter * 68 for letter in (b"a", b"b", b"c"))
    requests = Requests(Target("host", 81), POSTS, [0, 1, 0], tokens)
    head, _, rest = requests.of(LIKE, 2).partition(b"\r\n")
    assert head == b"PUT /v1/posts/one/like HTTP/1.1"
    assert rest.endswith(b"Likewise-Visitor: " + b"c" * 68 + b"\r\n\r\n")
    assert b"Host: host:81\r\n" in rest
    assert requests.of(LIKE, 1).startswith(b"PUT /v1/posts/two/like ")
    assert requests.of(REPEAT, 2) == requests.of(LIKE, 2)
    assert requests.of(UNLIKE, 2) == requests.of(LIKE, 2).replace(b"PUT", b"DELETE", 1)


def test_visitors_come_from_as_many_networks_as_asked() -> None:
    proxies = Networks(["10.0.0.0/8"], "trusted_proxies")
    requests = Requests(Target("host", 81), POSTS, [0] * 7, b"t" * 68 * 7, networks=3)
    sent = [requests.of(LIKE, at).decode() for at in range(7)]
    claimed = [one.partition("X-Forwarded-For: ")[2].strip() for one in sent]
    assert claimed[0] == claimed[3] == claimed[6]
    assert len({network_of(client_address("10.0.0.1", address, proxies)) for address in claimed}) == 3


def test_each_visitor_has_a_token_of_its_own() -> None:
    secret, told = b"s" * 32, list[int]()
    tokens = sign(secret, 5_003, told.append)
    actors = {actor_of(secret, tokens[at : at + TOKEN_CHARS].decode()) for at in range(0, len(tokens), TOKEN_CHARS)}
    assert (len(actors), None in actors) == (5_003, False)
    assert told == [5_000, 5_003]


@pytest.mark.parametrize("cut", range(len(CREATED)))
def test_an_answer_in_pieces(cut: int) -> None:
    assert answer_in(CREATED[:cut]) is None
    assert answer_in(CREATED) == Answer(201, keep=True, stranger=False)


@pytest.mark.parametrize(
    ("data", "ended", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", False, Answer(200, False, False)),
        (b"HTTP/1.0 503 X\r\nContent-Length: 0\r\n\r\n", False, Answer(503, False, False)),
        (b"HTTP/1.1 204 X\r\n\r\n", False, Answer(204, True, False)),
        (b"HTTP/1.1 201 X\r\nLikewise-Visitor: t\r\nContent-Length: 0\r\n\r\n", False, Answer(201, True, True)),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False, None),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", False, Answer(200, True, False)),
        (b"HTTP/1.1 200 X\r\n\r\nall", True, Answer(200, False, False)),
        (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\npart", True, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CREATED, False, Answer(201, True, False)),
    ],
)
def test_answers(data: bytes, ended: bool, answer: Answer | None) -> None:
    assert answer_in(data, ended=ended) == answer


@pytest.mark.parametrize(
    ("data", "detail"), [(b'{"detail":"Full."}', "Full."), (b"<html>", ""), (b"[]", ""), (b"{}", ""), (b"", "")]
)
def test_what_a_refusal_says(data: bytes, detail: str) -> None:
    assert detail_of(body_of(b"HTTP/1.1 503 X\r\nA: b\r\n\r\n" + data)) == detail


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(BadAnswerError):
        answer_in(data)
