"""Test the load test against targets that refuse, drop, answer late or not at all."""

import json
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from service.devstack.processes import HOST, free_ports
from service.loadtest import DrillUsageError, Options, run
from service.loadtest.generator.plan import DEFAULT_URL, Target, parse_url
from service.loadtest.generator.target import CountReader, RefusedError
from service.loadtest.usage.local_processes import default_url, is_local_target, stack_processes
from service.loadtest.usage.meter import start_meter
from tests.support.stack.loadtest_target import (
    CONSOLE,
    COUNT_TWICE,
    DROP,
    SAY_NOTHING,
    SETTINGS,
    exact_count,
    fake_target,
    refusing_target,
)


def test_an_address_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(DrillUsageError, match="does not answer: Connection refused"):
        run(Options(likes=10, seconds=1, url=f"http://{HOST}:{free_ports(1)[0]}"), SETTINGS, CONSOLE)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DrillUsageError, match=r"--json: .* cannot be written"):
        run(Options(likes=10, seconds=1, json_file=tmp_path / "no" / "file"), SETTINGS, CONSOLE)


def test_refusals_are_reported() -> None:
    with fake_target(lambda number: 503 if number % 4 == 0 else 201) as target:
        results = target.run_load_test(40)
    assert results.answers == {"likes": {"201": 30, "503": 10}}
    assert results.verdict.reasons == [
        "10 of 40 likes sent were not acknowledged",
        "10 likes were answered with 503 Service Unavailable, the first: No",
        "some outcomes are unknown (lost, unanswered or 5xx): 30 to 40 likes may count, and 30 do",
    ]


def test_rate_limits_of_the_target_are_reported_with_their_setting() -> None:
    with fake_target(lambda number: 429 if number > 30 else 201) as target:
        results = target.run_load_test(40)
    assert results.verdict.sums.most == 30
    assert results.verdict.reasons[1].startswith("10 likes were answered with 429 Too Many Requests, the first: No; ")
    assert "LIKEWISE_UNLIMITED_NETWORKS" in results.verdict.reasons[1]


def test_a_target_that_counts_twice_is_detected() -> None:
    with fake_target(lambda number: COUNT_TWICE if number == 7 else 201) as target:
        results = target.run_load_test(40)
    assert results.verdict.sums.acknowledged == 40
    assert "40 likes acknowledged, 41 counted by Redis, 41 rows in Postgres, 41 shown" in results.verdict.reasons[0]


def test_a_target_that_does_not_speak_http_is_detected() -> None:
    with fake_target(lambda number: 201, garbage=b"SSH-2.0-OpenSSH\r\n") as target:
        results = target.run_load_test(5)
    errors = results.errors
    assert (errors["lost"], errors["connections_dropped"], results.verdict.sums.least) == (5, 10, 0)
    assert "some outcomes are unknown (lost, unanswered or 5xx): 0 to 5 likes may count, and 5 do" in (
        results.verdict.reasons
    )


def test_a_target_that_refuses_the_probe_gets_no_load() -> None:
    with refusing_target() as url, pytest.raises(RefusedError, match="it answered 503"):
        run(Options(likes=10, seconds=1, url=url), SETTINGS, CONSOLE)


def test_unlikes_and_repeats_of_a_correct_target() -> None:
    with fake_target(lambda number: 201) as target:
        results = target.run_load_test(40, unlikes=0.25, repeats=0.25)
    assert exact_count(results) == 30
    assert results.answers == {"likes": {"201": 40}, "unlikes": {"200": 10}, "repeats": {"200": 10}}


def test_refused_unlikes_still_count_as_likes() -> None:
    with fake_target(lambda number: 201, unlike=400) as target:
        results = target.run_load_test(40, unlikes=0.25)
    assert (results.verdict.sums.least, results.verdict.sums.rows) == (40, 40)
    assert results.verdict.reasons == ["10 unlikes were answered with 400 Bad Request, the first: No"]


def test_lost_unlikes_give_a_range_of_counts() -> None:
    with fake_target(lambda number: 201, unlike=DROP) as target:
        results = target.run_load_test(40, unlikes=0.25)
    assert results.errors["lost"] == 10
    assert results.verdict.reasons == [
        "10 unlikes lost their connection twice",
        "some outcomes are unknown (lost, unanswered or 5xx): 30 to 40 likes may count, and 40 do",
    ]


def test_a_target_that_stops_during_the_load_is_reported() -> None:
    with fake_target(lambda number: 201 if number < 20 else DROP, dies_at=20) as target:
        results = target.run_load_test(2_000, seconds=0.5, drain_s=0.3)
    assert results.errors["connections_refused"] > 0
    assert results.sent < 2_000
    assert f"{2_000 - results.sent:,} likes were never sent: no connection was free or could be opened" in (
        results.verdict.reasons
    )


def test_a_failed_read_is_reported_with_its_reason() -> None:
    where = Target("127.0.0.1", free_ports(1)[0])
    with pytest.raises(RefusedError, match="Connection refused"):
        CountReader(where, (socket.AF_INET, (where.host, where.port))).count("post")


def test_a_dropped_like_is_retried_once() -> None:
    with fake_target(lambda number: DROP if number == 5 else 201) as target:
        results = target.run_load_test(40)
    assert exact_count(results) == 40
    assert (results.errors["connections_dropped"], results.errors["retried"]) == (1, 1)


def test_a_reload_that_closes_every_connection_loses_no_like() -> None:
    with fake_target(lambda number: 201, reloads_at=100) as target:
        results = target.run_load_test(400, seconds=1)
    assert exact_count(results) == 400
    assert results.errors["connections_dropped"] == results.errors["retried"] > 0


def test_a_like_dropped_twice_is_lost() -> None:
    with fake_target(lambda number: DROP) as target:
        results = target.run_load_test(10)
    errors = results.errors
    assert (errors["lost"], errors["retried"], results.verdict.sums.acknowledged) == (10, 10, 0)
    assert "10 likes lost their connection twice" in results.verdict.reasons
    assert results.answer is None


def test_a_slow_target_is_timed_from_when_likes_were_due() -> None:
    with fake_target(lambda number: 201, delay_s=0.05) as target:
        results = target.run_load_test(20, connections=2, max_connections=2)
    assert exact_count(results) == 20
    assert results.connections == 2
    assert results.answer
    assert results.answer.p99_ms
    # Each connection answers ten likes in turn, which are all due in the first 100 ms.
    assert results.answer.p99_ms > 350


def test_more_connections_are_opened_while_all_are_busy() -> None:
    with fake_target(lambda number: 201, delay_s=0.05) as target:
        results = target.run_load_test(20, connections=1, max_connections=10)
    assert exact_count(results) == 20
    assert 2 <= results.connections <= 10


def test_the_wait_for_late_responses_is_limited() -> None:
    with fake_target(lambda number: SAY_NOTHING if number > 5 else 201) as target:
        results = target.run_load_test(10, drain_s=0.2)
    assert results.errors["unanswered"] == 5
    assert "5 likes had no response 0.2 s after the end of the sending" in results.verdict.reasons


def test_likes_that_could_not_be_sent_in_time_are_sent_late() -> None:
    with fake_target(lambda number: 201, delay_s=0.05) as target:
        results = target.run_load_test(20, connections=1, max_connections=1, drain_s=0.3)
    # The answers take 1 s, which is longer than the 0.1 s of the plan and the wait for the last responses.
    assert exact_count(results) == 20
    assert results.took_s > 0.4
    assert results.late.likes >= results.late.after_end > 10
    assert results.pace[0].startswith(f"{results.late.likes} likes were sent late, by ")
    assert results.pace[1].startswith("The limit was ")


def test_late_likes_are_sent_for_a_limited_time() -> None:
    with fake_target(lambda number: 201, delay_s=0.05) as target:
        results = target.run_load_test(200, connections=4, max_connections=4, late_s=0.3)
    never = 200 - results.sent
    assert results.verdict.reasons == [f"{never} likes were never sent: no connection was free or could be opened"]
    assert (results.errors["unanswered"], results.acknowledged) == (0, results.sent)


def test_ctrl_c_ends_the_sending_and_the_counts_are_still_compared(tmp_path: Path) -> None:
    def answer(number: int) -> int:
        if number == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return 201

    before = signal.getsignal(signal.SIGINT)
    file = tmp_path / "drill.html"
    with fake_target(answer) as target:
        results = target.run_load_test(10_000, seconds=100, html_file=file)
    assert 10 <= results.sent < 10_000
    assert results.verdict.sums.acknowledged == results.verdict.sums.rows == results.sent
    assert results.verdict.reasons == [f"interrupted after {results.sent:,} of 10,000 likes"]
    assert f"interrupted after {results.sent:,} of 10,000 likes" in file.read_text()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_cpu_of_the_local_stack_is_measured_if_it_is_the_target(tmp_path: Path) -> None:
    with fake_target(lambda number: 201) as target:
        (tmp_path / "run").mkdir()
        # In this test, every part of the stack is this process.
        for part in ("nginx", "valkey-0", "valkey-1"):
            note = {"pid": os.getpid(), "born": psutil.Process().create_time()}
            (tmp_path / "run" / f"{part}.json").write_text(json.dumps(note))
        (tmp_path / "run" / "api.json").write_text("truncat")
        nowhere = {"redis_urls": [f"redis://{HOST}:1"], "shard_map": f"0-255=postgresql://{HOST}:1/likewise"}
        settings = SETTINGS.model_copy(update={"state_dir": tmp_path, **nowhere})
        usage = start_meter(settings, parse_url(target.url)).read()
        assert (set(usage.cpu_s), usage.cpu_missing) == ({"nginx", "valkey", "drill"}, "")
        assert usage.totals.keys() == {"nginx_written_bytes", "redis_disk_bytes"}
        reasons = [
            f"Redis: Redis {HOST}:1: ",
            f"Postgres: {HOST}:1/likewise: ",
            "metrics: API or flusher serve no metrics",
        ]
        assert all(reason in "\n".join(usage.missing) for reason in reasons)
        assert set(start_meter(settings, parse_url(f"http://{HOST}:1")).read().cpu_s) == {"drill"}
        assert is_local_target(stack_processes(settings), parse_url(target.url))
        assert default_url(settings) != DEFAULT_URL


def test_without_a_local_stack_the_usual_url_is_the_target(tmp_path: Path) -> None:
    assert default_url(SETTINGS.model_copy(update={"state_dir": tmp_path})) == DEFAULT_URL
