"""What the bench takes for reached and missed."""

from autoscaler.simulate.score import Score
from bench.autoscaler_figures import violations


def scores(**violation_s: float) -> dict[str, Score]:
    return {name: Score(seconds, 1_000, 1, 10, 0) for name, seconds in violation_s.items()}


def test_shares_of_what_may_be():
    found = scores(ideal=0, bound=10, hpa=100, kpa=40, likewise=20)
    found["likewise"] = Score(20, 1_250, 2, 10, 0)
    assert violations("ramp60s@20s", 1, found, "likewise") == {
        "violation_vs_hpa": 0.5,  # 20 of 40
        "pod_seconds_vs_ideal": 1.0,
        "violation_vs_bound": 1.0,  # 10 and 10 more for the spike
        "reversals": 2.0,
        "violation_vs_kpa": 20 / 30,
    }
    assert "violation_vs_kpa" not in violations("ramp60s", 1, found, "likewise")


def test_where_the_hpa_has_none_any_is_a_miss():
    found = scores(ideal=0, bound=0, hpa=0, kpa=0, likewise=1)
    assert violations("slow_day", 1, found, "likewise")["violation_vs_hpa"] > 1
    found["likewise"] = Score(0, 1_000, 1, 10, 0)
    assert violations("slow_day", 1, found, "likewise")["violation_vs_hpa"] == 0
