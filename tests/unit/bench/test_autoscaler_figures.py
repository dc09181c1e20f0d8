"""The limits of the autoscaler's benchmark."""

import json

from autoscaler.simulator.report.score import Score
from bench.autoscaler import RESULTS, held_out
from bench.autoscaler_figures import CaseResult, build_report, describe_misses, is_generated, shares_of_limits


def scores(**violation_s: float) -> dict[str, Score]:
    return {name: Score(seconds, 1_000, 1, 10, 0) for name, seconds in violation_s.items()}


def test_shares_of_the_limits():
    found = scores(ideal=0, bound=10, hpa=100, kpa=40, likewise=20)
    found["likewise"] = Score(20, 1_250, 2, 10, 0)
    assert shares_of_limits("ramp60s@20s", 1, found, "likewise") == {
        # 20 of 40.
        "violation_vs_hpa": 0.5,
        "pod_seconds_vs_ideal": 1.0,
        "reversals": 2.0,
        # The bound has 10, and the spike adds 10.
        "violation_vs_bound": 1.0,
        "violation_vs_kpa": 20 / 30,
    }
    assert "violation_vs_kpa" not in shares_of_limits("ramp60s", 1, found, "likewise")


def test_any_violation_is_a_miss_if_the_hpa_has_none():
    found = scores(ideal=0, bound=0, hpa=0, kpa=0, likewise=1)
    assert shares_of_limits("slow_day", 1, found, "likewise")["violation_vs_hpa"] > 1
    found["likewise"] = Score(0, 1_000, 1, 10, 0)
    assert shares_of_limits("slow_day", 1, found, "likewise")["violation_vs_hpa"] == 0


QUICK_MS = {"p50": 1.0, "p99": 2.0}


def case_result(name: str, spikes: int = 1, **seconds: float) -> CaseResult:
    ours = dict.fromkeys(("likewise", "likewise+hpa30", "likewise+hpa"), 5.0)
    return CaseResult(name, spikes, scores(**{"ideal": 0, "bound": 0, "hpa": 100, "kpa": 40, **ours, **seconds}), "")


def test_each_missed_limit_is_reported():
    reversing = case_result("staircase")
    reversing.scores["likewise"] = Score(5, 1_000, 3, 10, 0)
    late = case_result("step", **{"likewise+hpa30": 11.0, "likewise+hpa": 99.0})
    assert build_report([reversing, late], QUICK_MS)["likewise"]["reversals"]["missed"] == ["staircase"]
    assert describe_misses([reversing, late], {"p50": 1, "p99": 50}) == [
        "likewise misses reversals on staircase: 3.00 of its limit",
        "likewise+hpa30 misses violation_vs_bound on step: 1.10 of its limit",
        "a decision takes 50 ms of CPU time (p99)",
    ]
    assert describe_misses([case_result("step")], QUICK_MS) == []


def test_the_last_run_missed_nothing():
    report = json.loads((RESULTS / "autoscaler-figures.json").read_text())
    judged = [report[ours][figure] for ours in ("likewise", "likewise+hpa30") for figure in report["likewise"]]
    assert [one["missed"] for one in judged] == [[]] * 10
    assert report["decision_ms"]["p99"] < report["decision_ms_must"]


def test_held_out_demands_have_the_limit_of_the_bound():
    names = {case.name for case in held_out()}
    assert len(names) == 24
    assert all(is_generated(name) for name in names)


def test_a_real_week_has_no_limit_of_the_bound():
    report = build_report(
        [case_result("step"), case_result("twitter_volume_AAPL@edges", 335, bound=421, hpa=9_000, likewise=618)],
        QUICK_MS,
    )
    assert report["likewise"]["violation_vs_bound"]["cases"] == 1
    assert report["weeks_beyond_bound_s"]["twitter_volume_AAPL@edges"]["likewise"] == 197
