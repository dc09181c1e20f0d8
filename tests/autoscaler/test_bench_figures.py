"""What the bench takes for reached and missed."""

import json

from autoscaler.simulate.score import Score
from bench.autoscaler import RESULTS
from bench.autoscaler_figures import KNOWN_MISSES, figures, new_misses, violations


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


def test_a_new_miss_is_named_and_a_known_one_is_not():
    turning = all_of("staircase")
    for ours in ("likewise", "likewise+hpa30"):
        turning[2][ours] = Score(5, 1_000, 3, 10, 0)
    said = figures([turning, all_of("step")], QUICK_MS)
    assert said["likewise"]["reversals"]["missed"] == ["staircase"]
    assert new_misses(said) == []
    said = figures([turning, all_of("step", **{"likewise+hpa30": 11.0, "likewise+hpa": 99.0})], QUICK_MS)
    assert new_misses(said) == ["likewise+hpa30 misses violation_vs_bound on step"]
    said["decision_ms"]["p99"] = 50
    assert new_misses(said)[1:] == ["a decision takes 50 ms of CPU time (p99)"]


def test_known_misses_are_those_of_the_last_run():
    said = json.loads((RESULTS / "autoscaler-figures.json").read_text())
    assert new_misses(said) == []
    assert {(ours, figure, name) for ours, figure, name in KNOWN_MISSES if name in said[ours][figure]["missed"]} == (
        KNOWN_MISSES
    )


def test_ten_seconds_a_spike_are_not_taken_for_reached_on_a_week():
    said = figures(
        [all_of("step"), all_of("twitter_volume_AAPL@edges", 335, bound=421, hpa=9_000, likewise=618)], QUICK_MS
    )
    assert said["likewise"]["violation_vs_bound"]["cases"] == 1
    assert said["weeks_beyond_bound_s"]["twitter_volume_AAPL@edges"]["likewise"] == 197
