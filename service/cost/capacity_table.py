"""Write the capacity for several rates of likes as rows of text. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from service.cost.amounts import bytes_text, round_to_two_digits
from service.cost.capacity import DAY_S, Capacity, Plan, busy_cores, size
from service.cost.figures import Figures
from service.cost.limits import LIMITS, limits_in_order
from service.cost.prices import GB, HOUR_S, Prices

RATES = (1_000, 10_000, 100_000, 1_000_000)
_DAY_H = DAY_S / HOUR_S
_ROWS: dict[str, Callable[[Capacity], str]] = {
    "API pods": lambda need: f"{need.pods:,}",
    "cores of NGINX": lambda need: f"{need.nginx_cores:,}",
    "Redis primaries": lambda need: f"{need.primaries:,}",
    "databases": lambda need: f"{need.databases:,}",
    "flushers": lambda need: f"{need.flushers:,}",
    "clients of each Redis primary": lambda need: f"{need.redis_clients:,}",
    "connections of each database": lambda need: f"{need.connections:,}",
    "from clients, a day": lambda need: bytes_text(need.from_clients_bytes),
    "to clients, a day": lambda need: bytes_text(need.to_clients_bytes),
    "between the parts, a day": lambda need: bytes_text(need.internal_bytes),
    "memory of Redis, likes of a day": lambda need: bytes_text(need.memory_bytes),
    "storage of Postgres, a day": lambda need: bytes_text(need.storage_bytes),
    "write-ahead log, a day": lambda need: bytes_text(need.wal_bytes),
    "without Postgres, the queue is full after": lambda need: _duration(need.queue_s),
}


@dataclass(frozen=True, slots=True)
class CapacityTable:
    """The capacity for each rate, as text. `limits` are those of the installation, the lowest first."""

    headings: list[str]
    rows: list[list[str]]
    limits: list[list[str]]
    limit_headings: tuple[str, ...] = ("limit", "likes/s", "what is used up", "remedy")


def capacity_table(
    plan: Plan, figures: Figures, rates: Sequence[int] = RATES, prices: Prices | None = None
) -> CapacityTable:
    """Return a column for each rate. The plan's own rate is not used."""
    plans = [replace(plan, likes_per_second=rate) for rate in rates]
    needs = [size(one, figures) for one in plans]
    rows = [[name, *map(text, needs)] for name, text in _ROWS.items()]
    if prices:
        costs = [_prices(one, figures, need, prices) for one, need in zip(plans, needs, strict=True)]
        rows.append([f"{prices.currency} for a day", *(f"{day:,.2f}" for day, _ in costs)])
        rows.append([f"{prices.currency} a month to keep it", *(f"{month:,.2f}" for _, month in costs)])
    rows.append(["exceeds limits", *(_numbers(len(_exceeded(one, figures))) for one in plans)])
    limits = [
        [f"{number}", f"{round_to_two_digits(rate):,}", limit.name, limit.remedy]
        for number, (rate, limit) in enumerate(limits_in_order(plan, figures), 1)
    ]
    return CapacityTable(["likes per second", *(f"{rate:,}" for rate in rates)], rows, limits)


def capacity_json(
    plan: Plan, figures: Figures, rates: Sequence[int] = RATES, prices: Prices | None = None
) -> dict[str, Any]:
    """Return the same as numbers by name."""
    plans = [replace(plan, likes_per_second=rate) for rate in rates]
    return {
        "plan": {name: value for name, value in asdict(plan).items() if name != "likes_per_second"},
        "figures": figures.model_dump(mode="json"),
        "rates": [_rate_json(one, figures, prices) for one in plans],
        "limits": [
            {"likes_per_second": rate, "name": one.name, "remedy": one.remedy}
            for rate, one in limits_in_order(plan, figures)
        ],
    }


def _rate_json(plan: Plan, figures: Figures, prices: Prices | None) -> dict[str, Any]:
    need = size(plan, figures)
    row = {"likes_per_second": plan.likes_per_second, **asdict(need), "exceeded": _exceeded(plan, figures)}
    if prices:
        day, month = _prices(plan, figures, need, prices)
        row |= {"currency": prices.currency, "price_of_day": day, "price_of_storage_month": month}
    return row


def _exceeded(plan: Plan, figures: Figures) -> list[str]:
    return [limit.name for limit in LIMITS if limit.is_exceeded(plan, figures)]


def _numbers(exceeded: int) -> str:
    """Return the numbers of the limits that are exceeded: they are in order, so these are the first ones."""
    return "none" if not exceeded else "1" if exceeded == 1 else f"1 to {exceeded}"


def _prices(plan: Plan, figures: Figures, need: Capacity, prices: Prices) -> tuple[float, float]:
    """Return the price of a day, without storage, and what its likes cost each month while they are stored."""
    day = busy_cores(plan, figures) * _DAY_H * prices.cpu_core_hour
    day += need.memory_bytes / GB * _DAY_H * prices.memory_gb_hour
    day += need.from_clients_bytes / GB * prices.network_in_gb + need.to_clients_bytes / GB * prices.network_out_gb
    day += need.internal_bytes / GB * prices.network_internal_gb
    return day, need.storage_bytes / GB * prices.storage_gb_month


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"
