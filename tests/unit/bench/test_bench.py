"""Test what `make bench` computes from its measurements. Nothing is measured here."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import figures, plan, report
from bench.requests import like_requests, new_tokens, plain_requests, textbook_requests
from service.auth.visitor_token import actor_of
from service.loadtest.generator.http import parse_response
from service.server.fast_connection import _HEAD

SECRET = b"a test's secret of more than 32 characters"
ROUNDS = [
    {"like": {"pod": 60.0, "postgres": 20.0}, "empty": {"empty": 100.0}},
    {"like": {"pod": 70.0, "postgres": 50.0}, "empty": {"empty": 100.0}},
    {"like": {"pod": 30.0, "postgres": 10.0}, "empty": {"empty": 80.0}},
]


def test_a_ratio_is_of_the_total_within_a_round() -> None:
    assert figures.ratios(ROUNDS, "like", "empty") == [0.8, 1.2, 0.5]


def test_a_summary_has_the_median_and_the_spread() -> None:
    found = figures.summary("like_vs_empty_flask", [0.8, 1.2, 0.5])
    assert found == {"median": 0.8, "min": 0.5, "max": 1.2, "rounds": 3, "must": 0.95, "reach": [0.8, 0.65]}


@pytest.mark.parametrize(
    ("key", "value", "judgement"),
    [
        ("like_vs_empty_flask", 0.96, "missed"),
        ("like_vs_empty_flask", 0.95, "met"),
        ("like_vs_empty_flask", 0.65, "reached"),
        ("incr_vs_like", 2.4, "missed"),
        ("incr_vs_like", 2.5, "met"),
        ("incr_vs_like", 3.5, "reached"),
        ("redis_settled_bytes_per_like", 1, "met"),
        ("like_vs_empty_flask_stock_worker", 9, ""),
    ],
)
def test_the_verdict_knows_which_figures_should_be_high(key: str, value: float, judgement: str) -> None:
    assert figures.verdict(key, value) == judgement


def test_costs_are_reported_in_total_and_by_part() -> None:
    costs = figures.microseconds(ROUNDS)
    assert costs["like"] == {"total": 80.0, "pod": 60.0, "postgres": 20.0, "rounds": [80.0, 120.0, 40.0]}


def test_both_growth_figures_are_in_one_entry() -> None:
    results = {"growth_likers": {"median": 1.0}, "growth_posts": {"median": 1.2}}
    assert figures.with_growth(results)["growth"] == {"likers": 1.0, "posts": 1.2}


def test_every_figure_has_a_row_with_its_spread(tmp_path: Path) -> None:
    results = {key: figures.summary(key, [1.0, 2.0, 4.0]) for key in figures.TARGETS}
    console = Console(width=200, file=(tmp_path / "table").open("w+"))
    console.print(report.table(results))
    console.file.close()
    lines = (tmp_path / "table").read_text().splitlines()
    for key in figures.TARGETS:
        [line] = [line for line in lines if f" {key} " in line]
        assert "1 to 4" in line


def test_the_results_file_describes_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_version", lambda program: program.name)
    file = tmp_path / "results" / "latest.json"
    report.write(report.document({"growth": {"likers": 1.0}}, quick=True, rounds=2), file)
    written = json.loads(file.read_text())
    assert set(written["machine"]) == {"cpu", "cores", "kernel", "python", "valkey", "postgres"}
    assert (written["quick"], written["rounds"], written["growth"]) == (True, 2, {"likers": 1.0})
    assert [path.name for path in file.parent.iterdir()] == ["latest.json"]


def test_each_like_has_its_own_visitor_and_address() -> None:
    tokens = new_tokens(SECRET, 3)
    requests = like_requests(["a", "b"], tokens)
    assert [one.split()[1] for one in requests] == [b"/v1/posts/a/like", b"/v1/posts/b/like", b"/v1/posts/a/like"]
    assert all(actor_of(SECRET, token) and token.encode() in one for token, one in zip(tokens, requests, strict=True))
    later = like_requests(["a"], tokens, first=3)
    assert len({one.split(b"X-Forwarded-For: ")[1].split()[0] for one in (*requests, *later)}) == 6
    assert len({one.split(b"X-Forwarded-For: ")[1].split()[0] for one in plain_requests("GET", "/", 1_000)}) == 1_000


def test_the_worker_and_the_parser_accept_the_requests() -> None:
    token = new_tokens(SECRET, 1)
    for request in (
        *like_requests(["a"], token),
        *textbook_requests("/posts/a/like", token),
        *plain_requests("GET", "/", 1),
    ):
        assert request.endswith(b"\r\n\r\n")
        assert request.count(b"\r\n\r\n") == 1
    assert _HEAD.fullmatch(like_requests(["a"], token)[0])
    assert parse_response(b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}")


def test_a_quick_run_is_smaller_and_options_take_precedence() -> None:
    assert plan.parse([]).likers == 1_000_000
    assert plan.parse(["--quick"]).likers == 100_000
    assert plan.parse(["--quick", "--rounds", "7", "--requests", "10"]).rounds == 7
    with pytest.raises(SystemExit):
        plan.parse(["--rounds", "0"])
