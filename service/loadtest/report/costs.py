"""Scale the usage of a run to a million likes, and compute its price. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.cost.amounts import bytes_text
from service.cost.prices import GB, HOUR_S, Prices
from service.loadtest.generator.recorder import Recorder
from service.loadtest.usage.cpu import LOAD_TEST
from service.loadtest.usage.meter import Usage

MILLION = 1_000_000
# A post stays in Redis for a day after its last like.
_MEMORY_H = 24
_SCRAPE_INTERVAL_S = 15
_PARTS = {"api": "API", "nginx": "NGINX", "valkey": "Redis", "postgres": "Postgres"}
_CPU = re.compile(r"cpu_(\w+)_s")
_Price = Callable[[Prices], float]

# Label, unit, the price of a unit if there is one, and whether it is paid each month.
_Row = tuple[str, str, _Price | None, bool]
_ROWS: dict[str, _Row] = {
    "client_in_bytes": ("network: from clients", "B", lambda prices: prices.network_in_gb / GB, False),
    "client_out_bytes": ("network: to clients", "B", lambda prices: prices.network_out_gb / GB, False),
    "nginx_to_api_bytes": ("network: NGINX to API", "B", lambda prices: prices.network_internal_gb / GB, False),
    "redis_in_bytes": ("network: into Redis", "B", lambda prices: prices.network_internal_gb / GB, False),
    "redis_out_bytes": ("network: out of Redis", "B", lambda prices: prices.network_internal_gb / GB, False),
    "redis_replicated_bytes": ("network: to replicas", "B", lambda prices: prices.network_internal_gb / GB, False),
    "redis_memory_bytes": ("memory of Redis, a day", "B", lambda prices: prices.memory_gb_hour * _MEMORY_H / GB, False),
    "redis_disk_bytes": ("written to disk by Redis", "B", None, False),
    "postgres_wal_bytes": ("write-ahead log of Postgres", "B", None, False),
    "postgres_table_bytes": ("tables of Postgres", "B", lambda prices: prices.storage_gb_month / GB, True),
    "postgres_index_bytes": ("indexes of Postgres", "B", lambda prices: prices.storage_gb_month / GB, True),
    "log_bytes": ("logs", "B", lambda prices: prices.logs_gb / GB, False),
    "log_lines": ("lines of logs", "", None, False),
    "metric_samples": ("samples of metrics", "", lambda prices: prices.metrics_million_samples / MILLION, False),
}


@dataclass(frozen=True, slots=True)
class CostLine:
    """What a million likes use of one resource, in seconds, bytes (`B`) or pieces, and its price, once or a month."""

    name: str
    label: str
    quantity: float
    unit: str
    price: float | None
    monthly: bool


@dataclass(frozen=True, slots=True)
class CostReport:
    """The usage and the price of a million likes.

    likes: the acknowledged likes of the run, from which the quantities are scaled.
    metric_series: number of series of API and flusher, which does not depend on the likes.
    prices: the price file, empty without one. missing: what was not measured, and why.
    """

    likes: int
    lines: list[CostLine] = field(default_factory=list)
    metric_series: int | None = None
    prices: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def price(self, *, monthly: bool) -> float:
        """Return the sum of the prices that are paid once, or each month."""
        return sum(line.price or 0.0 for line in self.lines if line.monthly == monthly)


def build_costs(recorder: Recorder, seconds: float, usage: Usage, prices: Prices | None) -> CostReport:
    """Return the report of a run of that many seconds. Without an acknowledged like it has no lines."""
    likes = len(recorder.acknowledged)
    totals = {f"cpu_{part}_s": spent for part, spent in usage.cpu_s.items() if part != LOAD_TEST}
    totals |= _all_totals(usage.totals, recorder, seconds)
    quantities = {name: total * MILLION / likes for name, total in totals.items()} if likes else {}
    series = int(usage.totals["metric_series"]) if "metric_series" in usage.totals else None
    given = prices.model_dump(mode="json") if prices else {}
    return CostReport(likes, cost_lines(quantities, prices), series, given, usage.missing)


def cost_lines(quantities: Mapping[str, float], prices: Prices | None) -> list[CostLine]:
    """Return a line for each known resource. `quantities` are those of a million likes, by name."""
    parts = {name: f"CPU: {_PARTS.get(found[1], found[1])}" for name in quantities if (found := _CPU.fullmatch(name))}
    rows: dict[str, _Row] = {name: (label, "s", _cpu_price, False) for name, label in parts.items()} | _ROWS
    return [_line(name, quantities[name], *row, prices) for name, row in rows.items() if name in quantities]


def _line(
    name: str, quantity: float, label: str, unit: str, price_of: _Price | None, monthly: bool, prices: Prices | None
) -> CostLine:
    price = quantity * price_of(prices) if prices and price_of else None
    return CostLine(name, label, quantity, unit, price, monthly)


def _cpu_price(prices: Prices) -> float:
    return prices.cpu_core_hour / HOUR_S


def _all_totals(totals: Mapping[str, float], recorder: Recorder, seconds: float) -> dict[str, float]:
    """Return the totals with the bytes of the clients, and with what follows from them."""
    clients = {"client_in_bytes": recorder.bytes_sent, "client_out_bytes": recorder.bytes_received}
    derived = {**totals, **clients}
    if "nginx_written_bytes" in totals:
        # NGINX writes the responses to the clients, and the requests to the API.
        derived["nginx_to_api_bytes"] = max(0.0, totals["nginx_written_bytes"] - recorder.bytes_received)
    if "metric_series" in totals:
        derived["metric_samples"] = totals["metric_series"] * seconds / _SCRAPE_INTERVAL_S
    return derived


def quantity_text(line: CostLine) -> str:
    """Return `12.3 s`, `4.5 MB`, or a number."""
    if line.unit == "s":
        return f"{line.quantity:,.1f} s"
    return bytes_text(line.quantity) if line.unit == "B" else f"{line.quantity:,.0f}"
