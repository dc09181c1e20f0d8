"""Compute the reported figures from the measurements. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Costs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure with its limit and its further goals. `at_least`: more is better. Without a limit it is informative."""

    what: str
    must: float | None = None
    reach: tuple[float, ...] = ()
    at_least: bool = False


TARGETS: dict[str, Target] = {
    "like_vs_empty_flask": Target("a durable like / an empty Flask route", 0.95, (0.80, 0.65)),
    "like_vs_empty_flask_stock_worker": Target("a durable like / an empty Flask route in gunicorn's gevent worker"),
    "signals_vs_none": Target("a durable like / one on a pod without load reports", 1.05),
    "incr_vs_like": Target("Flask + Redis INCR / a durable like", 2.5, (3.5,), at_least=True),
    "textbook_vs_like": Target("Flask + Postgres transaction / a durable like", 5, (7,), at_least=True),
    "read_vs_empty_flask": Target("a count from the pod / an empty Flask route", 0.60, (0.50,)),
    "read_through_nginx_vs_empty_flask": Target("a count through NGINX / an empty Flask route", 0.10, (0.05,)),
    "redis_pending_bytes_per_like": Target("Redis, bytes that a like adds while it is queued", 70),
    "redis_settled_bytes_per_like": Target("Redis, bytes per like once it is in Postgres", 60),
    "postgres_bytes_per_like": Target("Postgres with all indexes, bytes per like", 260, (180,)),
    "start_s": Target("a pod: seconds from its process start until it is ready", 3, (1.0,)),
    "growth_likers": Target("a like at many likers of the post / at 1,000", 1.1, (1.0,)),
    "growth_posts": Target("a like over many known posts / over one", 1.3, (1.0,)),
    "growth_new_posts": Target("a like over as many new posts / over one"),
}


def total(costs: Costs) -> float:
    """Return the cost of all parts."""
    return sum(costs.values())


def ratios(rounds: Sequence[Mapping[str, Costs]], over: str, under: str) -> list[float]:
    """Return the ratio of two kinds within each round."""
    return [total(one[over]) / total(one[under]) for one in rounds]


def summary(key: str, values: Sequence[float]) -> dict[str, Any]:
    """Return the median and the spread of a figure, with its limit and goals."""
    target = TARGETS[key]
    return {
        "median": _rounded(median(values)),
        "min": _rounded(min(values)),
        "max": _rounded(max(values)),
        "rounds": len(values),
        "must": target.must,
        "reach": list(target.reach),
    }


def verdict(key: str, value: float) -> str:
    """Return `reached` for the last goal, `met` for the limit, else `missed`; empty if there is no limit."""
    target = TARGETS[key]
    if target.must is None:
        return ""

    def is_met(bound: float) -> bool:
        return value >= bound if target.at_least else value <= bound

    if not is_met(target.must):
        return "missed"
    return "reached" if target.reach and is_met(target.reach[-1]) else "met"


def microseconds(rounds: Sequence[Mapping[str, Costs]]) -> dict[str, dict[str, Any]]:
    """Return the median cost of each kind of request, in total and by part, and the total of each round."""
    medians: dict[str, dict[str, Any]] = {}
    for kind in rounds[0]:
        all_parts = {"total": median(total(one[kind]) for one in rounds)}
        parts = {part: median(one[kind][part] for one in rounds) for part in rounds[0][kind]}
        medians[kind] = {part: round(value, 1) for part, value in (all_parts | parts).items()}
        medians[kind]["rounds"] = [round(total(one[kind]), 1) for one in rounds]
    return medians


def with_growth(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results, with both growth figures in one entry."""
    both = {"likers": results["growth_likers"]["median"], "posts": results["growth_posts"]["median"]}
    return {**results, "growth": both}


def _rounded(value: float) -> float:
    return round(value, 1 if value >= 20 else 3)


def comparison_values(rounds: Sequence[Mapping[str, Costs]]) -> dict[str, list[float]]:
    """Return the figures of a like and its peers, one per round."""
    return {
        "like_vs_empty_flask": ratios(rounds, "like", "empty"),
        "like_vs_empty_flask_stock_worker": ratios(rounds, "like", "empty_stock"),
        "signals_vs_none": ratios(rounds, "like", "like_unsaid"),
        "incr_vs_like": ratios(rounds, "incr", "like"),
        "textbook_vs_like": ratios(rounds, "textbook", "like"),
        "read_vs_empty_flask": ratios(rounds, "read", "empty"),
        "read_through_nginx_vs_empty_flask": ratios(rounds, "read_through_nginx", "empty"),
    }


def growth_values(rounds: Sequence[Mapping[str, Costs]]) -> dict[str, list[float]]:
    """Return the figures of growth, one per round."""
    return {
        "growth_likers": ratios(rounds, "like_at_many", "like_at_few"),
        "growth_posts": ratios(rounds, "like_over_posts", "like_at_few"),
        "growth_new_posts": ratios(rounds, "like_over_new_posts", "like_at_few"),
    }
