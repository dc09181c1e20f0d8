"""Test which part is named as the limit of a run, how its load is measured, and which likes are late."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil
import pytest

from service.devstack.processes import wait_until
from service.loadtest.checks.lateness import Lateness, measure_lateness
from service.loadtest.report.limit import name_limit
from service.loadtest.report.statistics import TimeSummary, summarize
from service.loadtest.usage.load import Load, LoadMeter, load_of

IDLE = {"api": 0.4, "nginx": 0.1, "valkey": 0.2, "postgres": 0.1, "flusher": 0.1, "drill": 0.2}


def times(seconds: float) -> TimeSummary | None:
    return summarize([seconds] * 10)


def limit_of(
    answer_s: float = 0.01,
    durable_s: float | None = 1.0,
    *,
    used: float | None = 1.1,
    busiest: Mapping[str, float] = IDLE,
    connections: int = 64,
) -> str:
    """Return the limit of a run on two cores. Each part has one process more, which is half as busy."""
    load = Load(2, used, {part: 1.5 * cores for part, cores in busiest.items()}, busiest)
    durable = None if durable_s is None else times(durable_s)
    return name_limit(load, times(answer_s), durable, connections=connections, max_connections=256)


def test_a_run_that_kept_its_schedule_has_no_limit() -> None:
    expected = "No part was the limit; the busiest was the API, whose busiest process used 0.40 of one core."
    assert limit_of() == limit_of(durable_s=None) == expected
    # Full parts that keep up are none.
    assert limit_of(used=2.0, busiest=IDLE | {"drill": 0.99}).startswith(
        "No part was the limit; the busiest was the lo"
    )


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("api", "the API"),
        ("nginx", "NGINX"),
        ("valkey", "Redis"),
        ("postgres", "Postgres"),
        ("flusher", "the flusher"),
        ("drill", "the load test"),
    ],
)
@pytest.mark.parametrize("slow", [{"answer_s": 0.3}, {"durable_s": 2.1}])
def test_a_process_that_uses_its_core_is_the_limit(part: str, name: str, slow: dict[str, float]) -> None:
    expected = f"The limit was {name}, whose busiest process used 0.97 of one core, and it cannot use more."
    assert limit_of(**slow, used=2.0, busiest=IDLE | {part: 0.97}) == expected


def test_a_full_machine_is_the_limit() -> None:
    expected = "The limit was the machine: 1.90 of 2 cores were in use, the largest share (0.90) by the API."
    assert limit_of(0.3, used=1.9, busiest=IDLE | {"api": 0.6}) == expected
    expected = (
        "The limit was the machine of the load test: 1.90 of 2 cores were in use, the largest share (1.30) by prog"
    )
    assert limit_of(0.3, used=1.9, busiest={"drill": 0.4}).startswith(expected)


def test_a_queue_without_a_full_part_is_named() -> None:
    assert limit_of(durable_s=5).startswith("The limit was the way to Postgres: likes waited in the queue")


def test_connections_that_all_wait_are_the_limit() -> None:
    expected = "The limit was the number of connections: all 256 waited for answers, and no part was full."
    assert limit_of(0.3, connections=256) == limit_of(0.3, connections=256, used=None) == expected
    assert limit_of(0.3).startswith("No part was full, although answers took long; the busiest was the API")


def test_of_a_remote_target_only_the_load_test_is_known() -> None:
    expected = "The limit was the target or the network: its answers took long, and the load test used only 0.20"
    assert limit_of(0.3, busiest={"drill": 0.2}, connections=256).startswith(expected)
    assert "the load test, whose busiest process used 0.95" in limit_of(0.3, busiest={"drill": 0.95})


def test_without_an_answer_the_run_was_slow() -> None:
    load = Load(2, 2.0, IDLE, IDLE)
    assert name_limit(load, None, None, connections=1, max_connections=9).startswith("The limit was the machine")
    never = summarize([0.1], never=9)
    assert name_limit(load, times(0.1), never, connections=1, max_connections=9).startswith("The limit was the machine")
    assert name_limit(Load(), None, None, connections=1, max_connections=9).startswith("The limit is unknown")


def test_the_load_has_each_part_and_its_busiest_process() -> None:
    seconds = {("time", 0): 10.0, ("machine", 0): 18.0, ("api", 1): 4.0, ("api", 2): 6.0, ("drill", 3): 2.0}
    load = load_of(seconds)
    assert (load.used, load.parts, load.busiest) == (1.8, {"api": 1.0, "drill": 0.2}, {"api": 0.6, "drill": 0.2})
    assert load_of({("time", 0): 1.0, ("drill", 3): 0.5}).used is None


@pytest.fixture
def busy() -> Iterator[psutil.Process]:
    """Run a process that computes."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def wait_for_work(process: psutil.Process) -> None:
    before = process.cpu_times().user
    wait_until(lambda: process.cpu_times().user > before, timeout_s=20, what="work")


def test_the_load_is_measured(busy: psutil.Process) -> None:
    meter = LoadMeter({"valkey-0": busy})
    wait_for_work(busy)
    load = meter.stop(is_behind=False)
    assert 0 < load.busiest["valkey"] == load.parts["valkey"]
    assert load.used
    assert set(load.busiest) == {"valkey", "drill"}


def test_the_load_while_likes_wait_counts_alone(busy: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.loadtest.usage.load._INTERVAL_S", 0)
    meter = LoadMeter({"valkey-0": busy})
    wait_for_work(busy)
    busy.suspend()
    wait_until(lambda: busy.status() == psutil.STATUS_STOPPED, timeout_s=20, what="the stop")
    meter.sample(is_behind=False)
    assert meter.stop(is_behind=True).busiest["valkey"] == 0


def test_a_process_that_ends_is_left_out(busy: psutil.Process) -> None:
    meter = LoadMeter({"valkey-0": busy})
    busy.kill()
    busy.wait()
    assert set(meter.stop(is_behind=True).busiest) == {"drill"}
    assert set(LoadMeter({"valkey-0": busy}).stop(is_behind=True).busiest) == {"drill"}


def test_likes_sent_late_are_counted() -> None:
    due, sent_at = [0.0, 1.0, 2.0, 3.0], [0.05, 1.2, 3.0, 4.5]
    assert measure_lateness(due, sent_at, 4) == Lateness(3, 1, 1.0, 1.5)
    assert str(measure_lateness(due, sent_at, 4)) == (
        "3 likes were sent late, by 1.0 s at the median and 1.5 s at most; 1 of them after the planned end"
    )
    # Likes that were never sent are not late.
    assert measure_lateness(due, sent_at[:1], 4) == measure_lateness(due, [], 4) == Lateness()
