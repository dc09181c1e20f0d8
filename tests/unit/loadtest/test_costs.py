"""Test the costs of a run: differences of counters, their scale, their prices, and what was not measured."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import redis

from service.cost.prices import Prices
from service.cost.toml_file import read_toml
from service.errors import LikewiseError
from service.loadtest.generator.recorder import Recorder
from service.loadtest.report.cost_section import cost_headings, cost_notes, cost_rows
from service.loadtest.report.costs import CostReport, build_costs
from service.loadtest.usage.counters import Counters, Source, UnknownUsageError, UsageMeter
from service.loadtest.usage.local_stack import read_logs
from service.loadtest.usage.meter import Usage
from service.loadtest.usage.redis import counters_of_info
from tests.support.docs.code_blocks import ROOT

PRICES = read_toml(ROOT / "examples/prices-aws-us-east-1.toml", Prices)
TOTALS = {
    "nginx_written_bytes": 640_000.0,
    "redis_memory_bytes": 40_000.0,
    "postgres_table_bytes": 70_000.0,
    "metric_series": 200.0,
    "log_lines": 3.0,
}


def costs(
    *, likes: int = 1_000, totals: Mapping[str, float] = TOTALS, missing: tuple[str, ...] = (), prices: bool = True
) -> CostReport:
    """Return the costs of a run of a minute."""
    recorder = Recorder(likes, bytes_sent=190 * likes, bytes_received=340 * likes)
    recorder.acknowledged.extend(range(likes))
    usage = Usage({"api": 0.2, "drill": 9.0}, "", totals, list(missing))
    return build_costs(recorder, 60.0, usage, PRICES if prices else None)


def test_the_usage_is_scaled_to_a_million_likes() -> None:
    quantities = {line.name: line.quantity for line in costs().lines}
    assert quantities == pytest.approx(
        {
            "cpu_api_s": 200,
            "client_in_bytes": 190e6,
            "client_out_bytes": 340e6,
            # NGINX also writes the responses.
            "nginx_to_api_bytes": 300e6,
            "redis_memory_bytes": 40e6,
            "postgres_table_bytes": 70e6,
            "log_lines": 3_000,
            # 200 series, scraped four times a minute.
            "metric_samples": 800_000,
        }
    )


def test_each_resource_has_its_price() -> None:
    prices = {line.name: line.price for line in costs().lines}
    assert prices == pytest.approx(
        {
            "cpu_api_s": 200 / 3_600 * 0.04048,
            "client_in_bytes": 0,
            "client_out_bytes": 0.34 * 0.09,
            "nginx_to_api_bytes": 0.3 * 0.0133,
            "redis_memory_bytes": 0.04 * 24 * 0.004445,
            "postgres_table_bytes": 0.07 * 0.08,
            "log_lines": None,
            "metric_samples": 0.8 * 0.09,
        }
    )
    assert costs().price(monthly=True) == pytest.approx(0.07 * 0.08)
    assert costs().price(monthly=False) == pytest.approx(sum(price or 0 for price in prices.values()) - 0.07 * 0.08)


def test_the_table_has_columns_of_prices_only_with_a_price_file() -> None:
    assert cost_headings(costs()) == ["a million likes", "", "USD", "USD a month"]
    assert cost_rows(costs())[0] == ["CPU: API", "200.0 s", "0.0022", ""]
    assert cost_rows(costs())[-1] == ["sum", "", "0.1131", "0.0056"]
    assert cost_headings(costs(prices=False)) == ["a million likes", ""]
    assert cost_rows(costs(prices=False))[-1] == ["samples of metrics", "800,000"]


def test_the_notes_say_what_was_not_measured() -> None:
    assert list(cost_notes(costs(missing=("Redis: away",)))) == [
        "costs are scaled from 1,000 likes; the fewer they are, the more fixed costs weigh",
        "API and flusher have 200 series of metrics, however many likes there are",
        f"prices of 2026-06-17: {PRICES.source}",
        "the sums of the prices leave out what was not measured",
        "not measured: Redis: away",
    ]
    assert list(cost_notes(costs(likes=1_000_000, totals={}, prices=False))) == []


def test_a_run_without_a_like_has_no_costs() -> None:
    assert costs(likes=0).lines == []


class Server:
    """A server whose counters a test changes. Without counters, it does not answer."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters

    def read(self) -> Counters:
        if not self.counters:
            raise UnknownUsageError("away")
        return self.counters


def test_the_difference_is_added_up_over_the_servers_of_all_sources() -> None:
    one, other = Server({"a": {"bytes": 5}, "b": {"bytes": 7}}), Server({"c": {"bytes": 1, "lines": 2}})
    meter = UsageMeter([Source("one", one.read), Source("other", other.read)])
    one.counters, other.counters = {"a": {"bytes": 6}, "b": {"bytes": 9}}, {"c": {"bytes": 1, "lines": 8}}
    assert meter.read() == ({"bytes": 3, "lines": 6}, [])


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({}, {"a": {"bytes": 1}}, "one: away"),
        ({"a": {"bytes": 1}}, {}, "one: away"),
        ({"a": {"bytes": 1}}, {"b": {"bytes": 1}}, "one: a server was started or stopped during the run"),
    ],
)
def test_a_source_that_fails_is_named_and_the_others_are_measured(
    before: Counters, after: Counters, reason: str
) -> None:
    one, other = Server(before), Server({"c": {"lines": 2}})
    meter = UsageMeter([Source("one", one.read), Source("other", other.read)])
    one.counters, other.counters = after, {"c": {"lines": 3}}
    assert meter.read() == ({"lines": 1}, [reason])


INFO = b"""# Server\r\nrun_id:abc\r\n# Stats\r\ntotal_net_input_bytes:10\r\ntotal_net_output_bytes:25\r
total_net_repl_output_bytes:5\r\nused_memory:1000\r\nmem_clients_normal:100\r\nmem_aof_buffer:1\r\n"""


def test_the_counters_of_redis_are_without_replication_and_clients() -> None:
    assert counters_of_info(INFO) == (
        "abc",
        {"redis_in_bytes": 10, "redis_out_bytes": 20, "redis_replicated_bytes": 5, "redis_memory_bytes": 899},
    )


def test_a_redis_that_does_not_tell_its_counters_is_not_measured() -> None:
    with pytest.raises(UnknownUsageError, match="INFO was refused: NOPERM"):
        counters_of_info(redis.ResponseError("NOPERM"))
    with pytest.raises(UnknownUsageError, match="INFO does not tell 'used_memory'"):
        counters_of_info(INFO.replace(b"used_memory", b"used"))


def test_the_logs_are_read_from_the_state_directory(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/api.log").write_text("one\ntwo\n")
    assert read_logs(tmp_path) == {"api.log": {"log_bytes": 8, "log_lines": 2}}
    (tmp_path / "logs/flusher.log").mkdir()
    with pytest.raises(LikewiseError, match=r"flusher\.log cannot be read: Is a directory"):
        read_logs(tmp_path)
