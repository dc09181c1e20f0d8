"""Compute the reported figures from the measurements. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.targets import TARGETS

Costs = Mapping[str, float]


def total(costs: Costs) -> float:
    """Return the cost of all parts."""
    return sum(costs.values())


def ratios(rounds: Sequence[Mapping[str, Costs]], over: str, under: str) -> list[float]:
    """Return the ratio of two kinds within each round."""
    return [total(one[over]) / total(one[under]) for one in rounds]


def values(rounds: Sequence[Mapping[str, Costs]]) -> dict[str, list[float]]:
    """Return each figure whose two kinds were measured, one value per round."""
    measured = rounds[0].keys() if rounds else set()
    wanted = {key: target.of for key, target in TARGETS.items() if target.of}
    return {key: ratios(rounds, *of) for key, of in wanted.items() if measured >= set(of)}


def summary(key: str, found: Sequence[float]) -> dict[str, Any]:
    """Return the median and the spread of a figure, with its limit and goals."""
    target = TARGETS[key]
    return {
        "median": _rounded(median(found)),
        "min": _rounded(min(found)),
        "max": _rounded(max(found)),
        "rounds": len(found),
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
    for kind in rounds[0] if rounds else ():
        all_parts = {"total": median(total(one[kind]) for one in rounds)}
        parts = {part: median(one[kind][part] for one in rounds) for part in rounds[0][kind]}
        medians[kind] = {part: round(value, 1) for part, value in (all_parts | parts).items()}
        medians[kind]["rounds"] = [round(total(one[kind]), 1) for one in rounds]
    return medians


def left_out(missing: Mapping[str, str]) -> dict[str, str]:
    """Return each figure that was not measured, with the reason. `missing`: the reason by kind of request."""
    return {key: missing[kind] for key, target in TARGETS.items() for kind in target.of or () if kind in missing}


def _rounded(value: float) -> float:
    return round(value, 1 if value >= 20 else 3)
