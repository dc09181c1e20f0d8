"""The pure parts of the drill: what was asked, the schedule, bytes, percentiles and the verdict."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from service.drill.plan import DrillUsageError, Options, Schedule, Target, parse_duration, parse_url, post_names
from service.drill.tally import Tally, percentiles
from service.drill.verdict import Observed, Verdict, judge
from service.drill.wire import Answer, BadAnswerError, Requests, answer_in, body_of, detail_of

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
    ],
)
def test_options_have_bounds(changes: dict[str, int], reason: str) -> None:
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


def test_a_flat_schedule() -> None:
    schedule = Schedule(likes=100, seconds=10)
    assert (schedule.at(0), schedule.at(50)) == (0, 5)
    assert [schedule.due(elapsed) for elapsed in (-1, 0, 0.05, 0.11, 9.99, 60)] == [0, 1, 1, 2, 100, 100]
    assert all(schedule.due(schedule.at(like) + 1e-9) == like + 1 for like in range(100))


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(number) for number in range(1000, 0, -1)]
    assert percentiles(values, 0, 0.5, 0.99, 0.999, 1) == [1, 500, 990, 999, 1000]
    assert percentiles([7.0], 0.5, 0.999) == [7, 7]
    assert all(math.isnan(value) for value in percentiles([], 0.5, 0.99))


def test_a_request_is_of_its_visitor_and_post() -> None:
    tokens = [letter * 68 for letter in "abc"]
    requests = Requests(Target("host", 81), POSTS, tokens)
    head, _, rest = requests[2].partition(b"\r\n")
    assert head == b"PUT /v1/posts/one/like HTTP/1.1"
    assert rest.endswith(b"Likewise-Visitor: " + b"c" * 68 + b"\r\n\r\n")
    assert b"Host: host:81\r\n" in rest
    assert requests[1].startswith(b"PUT /v1/posts/two/like ")


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


def run_of(likes: int, status: int = 201, **changes: Any) -> Tally:
    tally = Tally(len(POSTS), sent=likes, **changes)
    for like in range(likes):
        tally.answer(like, status, 0.001 * like, again=False, stranger=False)
    return tally


def verdict_of(tally: Tally, found: Observed, *, interrupted: bool = False) -> Verdict:
    options = Options(likes=10, seconds=1, posts=2)
    return judge(options, POSTS, tally, found, took_s=2, interrupted=interrupted)


def both(first: int, second: int) -> Observed:
    held = {"one": first, "two": second}
    return Observed(shown=held, rows=held)


def test_one_number_is_well() -> None:
    verdict = verdict_of(run_of(10), both(5, 5))
    assert verdict.ok
    assert (verdict.acknowledged, verdict.shown, verdict.rows, verdict.rate) == (10, 10, 10, 5)
    assert (verdict.p50_ms, verdict.p99_ms, verdict.p999_ms) == (4, 9, 9)
    assert verdict.answers == {"201": 10}


def test_equal_sums_do_not_hide_two_posts_that_disagree() -> None:
    verdict = verdict_of(run_of(10), both(6, 4))
    assert len(verdict.reasons) == 2
    assert "one: 5 likes acknowledged, 6 shown, 6 rows" in verdict.reasons[0]


def test_a_lost_row_is_said() -> None:
    verdict = verdict_of(run_of(10), Observed(shown={"one": 5, "two": 5}, rows={"one": 5, "two": 4}, pending=1))
    assert verdict.reasons == [
        "1 likes were still pending: not all are in Postgres yet",
        "two: 5 likes acknowledged, 5 shown, 4 rows in Postgres",
    ]


def test_refusals_are_said() -> None:
    verdict = verdict_of(run_of(10, 503), both(0, 0))
    assert verdict.reasons == [
        "10 of 10 likes sent were not acknowledged",
        "10 likes were answered 503 Service Unavailable",
    ]
    assert verdict.p50_ms is None


def test_what_the_first_refusal_said_is_said() -> None:
    verdict = verdict_of(run_of(10, 503, details={503: "Redis is full."}), both(0, 0))
    assert "10 likes were answered 503 Service Unavailable, the first: Redis is full." in verdict.reasons


def test_an_interrupted_run_never_is_well() -> None:
    verdict = verdict_of(run_of(4), both(2, 2), interrupted=True)
    assert verdict.reasons == ["interrupted after 4 of 10 likes"]


def test_likes_never_sent_are_said() -> None:
    assert "6 likes were never sent" in verdict_of(run_of(4), both(2, 2)).reasons[0]


def test_200_counts_only_where_it_was_sent_again() -> None:
    tally = Tally(2, sent=2)
    tally.answer(0, 200, 0.1, again=True, stranger=False)
    tally.answer(1, 200, 0.1, again=False, stranger=False)
    assert tally.acknowledged == [1, 0]
    assert any("though sent once" in reason for reason in verdict_of(tally, both(1, 1)).reasons)


def test_what_was_lost_or_unknown_is_said() -> None:
    tally = run_of(10, lost=1, unanswered=2, strangers=3)
    reasons = " ".join(verdict_of(tally, both(5, 5)).reasons)
    assert "1 likes lost their connection twice" in reasons
    assert "2 likes had no answer" in reasons
    assert "3 tokens were not known" in reasons
