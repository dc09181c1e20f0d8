"""What the bench takes for reached and missed."""

import json

from autoscaler.simulator.report.score import Score
from bench.autoscaler import RESULTS, held_out
from bench.autoscaler_figures import figures, is_generated, misses, violations


def scores(**violation_s: float) -> dict[str, Score]:
    return {name: Score(seconds, 1_000, 1, 10, 0) for name, seconds in violation_s.items()}


def test_shares_of_what_may_be():
    found = scores(ideal=0, bound=10, hpa=100, kpa=40, likewise=20)
    found["likewise"] = Score(20, 1_250, 2, 10, 0)
    assert violations("ramp60s@20s", 1, found, "likewise") == {
        "violation_vs_hpa": 0.5,  # 20 of 40
        "pod_seconds_vs_ideal": 1.0,
        "reversals": 2.0,
        "violation_vs_bound": 1.0,  # 10 and 10 more for the spike
        "violation_vs_kpa": 20 / 30,
    }
    assert "violation_vs_kpa" not in violations("ramp60s", 1, found, "likewise")


def test_where_the_hpa_has_none_any_is_a_miss():
    found = scores(ideal=0, bound=0, hpa=0, kpa=0, likewise=1)
    assert violations("slow_day", 1, found, "likewise")["violation_vs_hpa"] > 1
    found["likewise"] = Score(0, 1_000, 1, 10, 0)
    assert violations("slow_day", 1, found, "likewise")["violation_vs_hpa"] == 0


QUICK_MS = {"p50": 1.0, "p99": 2.0}


def all_of(name: str, spikes: int = 1, **seconds: float) -> tuple[str, int, dict[str, Score], str]:
    ours = dict.fromkeys(("likewise", "likewise+hpa30", "likewise+hpa"), 5.0)
    return name, spikes, scores(**{"ideal": 0, "bound": 0, "hpa": 100, "kpa": 40, **ours, **seconds}), ""


def test_each_miss_is_named():
    turning = all_of("staircase")
    turning[2]["likewise"] = Score(5, 1_000, 3, 10, 0)
    late = all_of("step", **{"likewise+hpa30": 11.0, "likewise+hpa": 99.0})
    assert figures([turning, late], QUICK_MS)["likewise"]["reversals"]["missed"] == ["staircase"]
    assert misses([turning, late], {"p50": 1, "p99": 50}) == [
        "likewise misses reversals on staircase: 3.00 of what it may be",
        "likewise+hpa30 misses violation_vs_bound on step: 1.10 of what it may be",
        "a decision takes 50 ms of CPU time (p99)",
    ]
    assert misses([all_of("step")], QUICK_MS) == []


def test_the_last_run_missed_nothing():
    said = json.loads((RESULTS / "autoscaler-figures.json").read_text())
    judged = [said[ours][figure] for ours in ("likewise", "likewise+hpa30") for figure in said["likewise"]]
    assert [one["missed"] for one in judged] == [[]] * 10
    assert said["decision_ms"]["p99"] < said["decision_ms_must"]


def test_held_out_demands_are_judged_by_the_bound_too():
    names = {case.name for case in held_out()}
    assert len(names) == 24
    assert all(is_generated(name) for name in names)


def test_ten_seconds_a_spike_are_not_taken_for_reached_on_a_week():
    said = figures(
        [all_of("step"), all_of("twitter_volume_AAPL@edges", 335, bound=421, hpa=9_000, likewise=618)], QUICK_MS
    )
    assert said["likewise"]["violation_vs_bound"]["cases"] == 1
    assert said["weeks_beyond_bound_s"]["twitter_volume_AAPL@edges"]["likewise"] == 197
