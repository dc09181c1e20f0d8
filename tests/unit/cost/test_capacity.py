"""Test the capacity model: exact small cases, that more likes never need less, and each limit at its rate."""

import datetime
from dataclasses import asdict, replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.policy.tuning import Tuning
from service.cost.capacity import Plan, busy_cores, size
from service.cost.capacity_table import RATES, capacity_json, capacity_table
from service.cost.figures import ByteFigures, CpuFigures, Figures, read_figures
from service.cost.limits import LIMITS, MAX_RATE, limits_in_order
from service.cost.prices import Prices
from service.cost.toml_file import read_toml
from service.settings import Settings
from tests.support.docs.code_blocks import ROOT

VALUES = yaml.safe_load((ROOT / "helm/likewise/values.yaml").read_text())
PRICES = read_toml(ROOT / "examples/prices-aws-us-east-1.toml", Prices)
# Round figures: a like costs 100 µs in a pod, and 200 µs if it is over many posts.
FIGURES = Figures(
    date=datetime.date(2026, 11, 27),
    machine="a test",
    one_post=CpuFigures(api=100, nginx=50, redis=10, postgres=20, flusher=5),
    many_posts=CpuFigures(api=200, nginx=50, redis=40, postgres=20, flusher=5),
    bytes=ByteFigures(
        client_in=200,
        client_out=300,
        internal=1_000,
        redis_pending=50,
        redis_settled=40,
        postgres_stored=250,
        postgres_wal=500,
    ),
)
PLAN = Plan(10_000, one_post_share=0.5, utilization=0.5)


def test_a_small_case_is_exact() -> None:
    need = size(PLAN, FIGURES)
    # 5,000 x 100 µs + 5,000 x 200 µs = 1.5 cores, which are half used.
    assert (need.pods, need.nginx_cores, need.primaries, need.databases, need.flushers) == (3, 1, 3, 1, 2)
    # Three pods have three sockets each, two flushers one for the database and two others.
    assert need.redis_clients == 3 * 3 + 2 * 3
    # A quarter more pods, rounded up, two flushers, one command, a pool of two each, and 13 reserved.
    assert need.connections == (4 + 2 + 1) * 2 + 13
    # The busiest primary has the post and a third of the rest.
    assert need.queue_s == pytest.approx(256 * 2**20 / 50 / (5_000 + 5_000 / 3))
    assert need.to_clients_bytes == pytest.approx(10_000 * 86_400 * 300)
    assert need.storage_bytes == pytest.approx(10_000 * 86_400 * 250)
    assert busy_cores(PLAN, FIGURES) == pytest.approx(2 * (1.5 + 0.5 + 0.25 + 0.2 + 0.05))


def test_a_server_is_added_for_cpu_or_for_the_disk() -> None:
    busy = replace(PLAN, likes_per_second=1_000_000)
    # 20 cores of Postgres, half used: 40, four on a server.
    assert size(busy, FIGURES).databases == 10
    # 500 MB/s of write-ahead log.
    assert size(replace(busy, database_cores=64, database_disk_mb_s=100), FIGURES).databases == 5
    assert size(busy, FIGURES).pods == 300
    assert size(replace(busy, workers=3), FIGURES).pods == 100
    assert size(replace(busy, one_post_share=0), FIGURES).primaries == 80
    assert size(replace(busy, one_post_share=1), FIGURES).primaries == 20


@given(st.integers(1, 10_000_000), st.integers(0, 10_000_000), st.floats(0, 1), st.floats(0.01, 1), st.integers(1, 64))
def test_more_likes_never_need_less(rate: int, more: int, share: float, utilization: float, workers: int) -> None:
    plan = Plan(rate, one_post_share=share, utilization=utilization, workers=workers)
    low, high = asdict(size(plan, FIGURES)), asdict(size(replace(plan, likes_per_second=rate + more), FIGURES))
    shorter = low.pop("queue_s"), high.pop("queue_s")
    assert shorter[0] * 1.5 >= shorter[1]
    assert all(low[name] <= high[name] for name in low)


@given(st.floats(0, 1), st.floats(0.01, 1), st.integers(1, 8))
def test_a_limit_holds_at_its_rate_and_is_exceeded_above_it(share: float, utilization: float, workers: int) -> None:
    plan = Plan(1, one_post_share=share, utilization=utilization, workers=workers)
    for limit in LIMITS:
        rate = limit.reached_at(plan, FIGURES)
        assert 0 < rate <= MAX_RATE
        assert not limit.is_exceeded(replace(plan, likes_per_second=rate), FIGURES)
        if rate < MAX_RATE:
            assert limit.is_exceeded(replace(plan, likes_per_second=rate + 1), FIGURES)


def test_the_limits_are_in_the_order_in_which_they_are_reached() -> None:
    found = [(rate, limit.name) for rate, limit in limits_in_order(PLAN, FIGURES)]
    # Ten pods are five busy cores: 33,333 likes of 150 µs.
    assert found[0] == (33_333, "API pods")
    # Half of the likes, at 20 and 10 µs, on half a core.
    assert (50_000, "one post: its database connection") in found
    assert (100_000, "one post: the core of its Redis primary") in found
    assert found == sorted(found)
    # 8 flushers at half of a core.
    assert (800_000, "flushers") in found
    spread = [limit.name for _, limit in limits_in_order(replace(PLAN, one_post_share=0), FIGURES)]
    assert spread == [name for _, name in sorted(found) if not name.startswith("one post")]


def test_the_defaults_are_those_of_the_chart_the_autoscaler_and_the_settings() -> None:
    plan, fields, tuning = Plan(1), Settings.model_fields, Tuning()
    assert plan.max_connections == VALUES["postgres"]["maxConnections"]
    assert plan.max_pods == VALUES["hpa"]["maxReplicas"]
    assert plan.workers == VALUES["api"]["workers"]
    assert (plan.max_flushers, plan.utilization) == (tuning.max_flushers, tuning.target_utilization)
    assert [plan.postgres_pool, plan.queue_bytes, plan.shards] == [
        fields[name].default for name in ("postgres_pool", "queue_bytes", "shards")
    ]


def test_the_table_has_a_column_for_each_rate_and_the_numbers_of_exceeded_limits() -> None:
    table = capacity_table(PLAN, FIGURES, (1_000, 60_000, 1_000_000), PRICES)
    assert table.headings == ["likes per second", "1,000", "60,000", "1,000,000"]
    rows = {name: values for name, *values in table.rows}
    assert rows["API pods"] == ["2", "18", "300"]
    assert rows["to clients, a day"] == ["25.9 GB", "1.56 TB", "25.9 TB"]
    assert rows["without Postgres, the queue is full after"] == ["134 min", "134 s", "11 s"]
    # A day: 0.5 cores for 24 hours, 3.46 GB of memory, 25.9 GB to clients and 86.4 GB between the parts.
    day = 0.5 * 24 * 0.04048 + 3.456 * 24 * 0.004445 + 25.92 * 0.09 + 86.4 * 0.0133
    assert rows["USD for a day"][0] == f"{day:.2f}"
    assert rows["USD a month to keep it"][0] == f"{21.6 * 0.08:.2f}"
    assert rows["exceeds limits"] == ["none", "1 to 2", "1 to 7"]
    assert table.limits[0] == ["1", "33,000", "API pods", "raise hpa.maxReplicas"]
    assert len(capacity_table(PLAN, FIGURES).rows) == len(table.rows) - 2


def test_the_json_has_the_numbers_of_the_table() -> None:
    written = capacity_json(PLAN, FIGURES, (60_000,), PRICES)
    [row] = written["rates"]
    assert (row["likes_per_second"], row["pods"], row["currency"]) == (60_000, 18, "USD")
    assert row["exceeded"] == ["one post: its database connection", "API pods"]
    assert written["limits"][0]["likes_per_second"] == 33_333
    assert "currency" not in capacity_json(PLAN, FIGURES)["rates"][0]
    assert [row["likes_per_second"] for row in capacity_json(PLAN, FIGURES)["rates"]] == list(RATES)


def test_the_package_has_figures() -> None:
    figures = read_figures()
    assert sum(getattr(figures.many_posts, part) for part in CpuFigures.model_fields) > 0
