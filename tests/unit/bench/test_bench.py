"""Test what `make bench` computes from its measurements. Nothing is measured here."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from bench import figures, plan, report, testbed
from bench.measurements.kinds import KINDS
from bench.peers.servers import start_peers
from bench.requests import like_requests, new_tokens, plain_requests, textbook_requests
from bench.targets import TARGETS
from service.auth.visitor_token import VisitorKeys
from service.loadtest.generator.http import parse_response
from service.server.request_head import parse_head
from service.settings import Settings

SETTINGS = Settings(secret=SecretStr("a test's secret of more than 32 characters"))
ROUNDS = [
    {"like": {"pod": 60.0, "postgres": 20.0}, "empty": {"empty": 100.0}},
    {"like": {"pod": 70.0, "postgres": 50.0}, "empty": {"empty": 100.0}},
    {"like": {"pod": 30.0, "postgres": 10.0}, "empty": {"empty": 80.0}},
]


def test_a_ratio_is_of_the_total_within_a_round() -> None:
    assert figures.ratios(ROUNDS, "like", "empty") == [0.8, 1.2, 0.5]


def test_a_summary_has_the_median_and_the_spread() -> None:
    found = figures.summary("like_vs_empty_flask", [0.8, 1.2, 0.5])
    assert found == {"median": 0.8, "min": 0.5, "max": 1.2, "rounds": 3, "must": 0.28, "reach": [0.2]}


@pytest.mark.parametrize(
    ("key", "value", "judgement"),
    [
        ("like_vs_empty_flask", 0.29, "missed"),
        ("like_vs_empty_flask", 0.28, "met"),
        ("like_vs_empty_flask", 0.20, "reached"),
        ("incr_vs_like", 5.9, "missed"),
        ("incr_vs_like", 6, "met"),
        ("incr_vs_like", 10, "reached"),
        ("signals_vs_none", 1, "met"),
        ("like_vs_empty_flask_stock_worker", 9, ""),
    ],
)
def test_the_verdict_knows_which_figures_should_be_high(key: str, value: float, judgement: str) -> None:
    assert figures.verdict(key, value) == judgement


def test_costs_are_reported_in_total_and_by_part() -> None:
    costs = figures.microseconds(ROUNDS)
    assert costs["like"] == {"total": 80.0, "pod": 60.0, "postgres": 20.0, "rounds": [80.0, 120.0, 40.0]}


def test_a_figure_needs_both_of_its_kinds() -> None:
    assert figures.values(ROUNDS) == {"like_vs_empty_flask": [0.8, 1.2, 0.5]}
    assert figures.values([]) == {}


def test_a_figure_without_its_peer_is_left_out_with_the_reason() -> None:
    assert figures.left_out({"go_incr": "go is not installed"}) == {"go_incr_vs_like": "go is not installed"}


def test_every_figure_compares_kinds_that_are_measured() -> None:
    growth = {"like_at_few", "like_at_many", "like_over_posts", "like_over_new_posts", "empty_beside"}
    measured = {kind.name for kind in KINDS} | growth
    assert {name for target in TARGETS.values() for name in target.of or ()} <= measured


def test_every_figure_has_a_row_with_its_spread(tmp_path: Path) -> None:
    results = {key: figures.summary(key, [1.0, 2.0, 4.0]) for key in TARGETS}
    console = Console(width=200, file=(tmp_path / "table").open("w+"))
    console.print(report.table(results))
    console.file.close()
    lines = (tmp_path / "table").read_text().splitlines()
    for key in TARGETS:
        [line] = [line for line in lines if f" {key} " in line]
        assert "1 to 4" in line


def test_the_results_file_describes_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_version", lambda program: program.name)
    file = tmp_path / "results" / "latest.json"
    report.write(report.document({"start_s": {"median": 1.0}}, quick=True, rounds=2), file)
    written = json.loads(file.read_text())
    assert set(written["machine"]) == {"cpu", "cores", "kernel", "python", "valkey", "postgres"}
    assert (written["quick"], written["rounds"], written["start_s"]) == (True, 2, {"median": 1.0})
    assert [path.name for path in file.parent.iterdir()] == ["latest.json"]


def test_each_like_has_its_own_visitor_and_address() -> None:
    tokens = new_tokens(SETTINGS, 3)
    requests = like_requests(["a", "b"], tokens)
    assert [one.split()[1] for one in requests] == [b"/v1/posts/a/like", b"/v1/posts/b/like", b"/v1/posts/a/like"]
    assert all(token.encode() in one for token, one in zip(tokens, requests, strict=True))
    assert len({VisitorKeys(SETTINGS).read(token) for token in tokens} - {None}) == 3
    later = like_requests(["a"], tokens, first=3)
    assert len({one.split(b"X-Forwarded-For: ")[1].split()[0] for one in (*requests, *later)}) == 6
    assert len({one.split(b"X-Forwarded-For: ")[1].split()[0] for one in plain_requests("GET", "/", 1_000)}) == 1_000


def test_the_worker_and_the_parser_accept_the_requests() -> None:
    token = new_tokens(SETTINGS, 1)
    for request in (
        *like_requests(["a"], token),
        *textbook_requests("/posts/a/like", token),
        *plain_requests("GET", "/", 1),
    ):
        assert request.endswith(b"\r\n\r\n")
        assert request.count(b"\r\n\r\n") == 1
    assert parse_head(like_requests(["a"], token)[0])
    assert parse_response(b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}")


def test_a_quick_run_is_smaller_and_options_take_precedence() -> None:
    assert plan.parse([]).likers == 1_000_000
    assert plan.parse(["--quick"]).likers == 100_000
    assert plan.parse(["--quick", "--rounds", "7", "--requests", "10"]).rounds == 7
    with pytest.raises(SystemExit):
        plan.parse(["--rounds", "0"])


def test_only_some_kinds_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = plan.parse(["--only", "like,start"], kinds=["like", "empty"])
    assert [name for name in ("like", "empty", plan.GROWTH, plan.START) if chosen.wants(name)] == ["like", "start"]
    assert plan.parse([]).wants("empty")
    with pytest.raises(SystemExit):
        plan.parse(["--only", "likes-of-all"], kinds=["like", "empty"])
    assert "--only has no likes-of-all; it has like, empty, growth, start" in capsys.readouterr().err


def test_a_peer_whose_program_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with ExitStack() as cleanup:
        missing = start_peers(testbed.Testbed(tmp_path, cleanup), {"go_incr", "node_incr"})
    assert missing == {
        "go_incr": "go is not installed (https://go.dev/doc/install)",
        "node_incr": "node is not installed (apt-get install nodejs)",
    }
