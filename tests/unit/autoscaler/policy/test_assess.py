"""Reports that are trusted, and the load of pods that are silent."""

from dataclasses import replace

import pytest

from autoscaler.policy.assess import Assessment, assess, scale_posts
from autoscaler.policy.forecast.load import Load
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.tuning import Tuning

TUNING = Tuning(stale_s=5, max_clock_skew_s=1, max_missing_share=0.1, warmup_s=30)
NOW = 100.0
SAMPLE = PodSample("a", NOW, arrivals=40, accepted=30, busy=0.5, queue=4, in_flight=3, ready_s=600)


def observation_of(*samples: PodSample, expected: int = 1) -> Observation:
    return Observation(replicas=expected, expected=expected, pods=samples)


@pytest.mark.parametrize(("age_s", "pods"), [(0, 1), (5, 1), (5.1, 0), (-1, 1), (-1.1, 0)])
def test_a_report_is_trusted_while_it_is_fresh(age_s, pods):
    assert assess(observation_of(replace(SAMPLE, at=NOW - age_s)), NOW, TUNING).load.pods == pods


@pytest.mark.parametrize("field", ["arrivals", "accepted", "busy", "queue", "in_flight"])
def test_a_report_with_a_negative_or_infinite_value_is_invalid(field):
    for value in (-0.1, float("inf"), float("nan")):
        assessment = assess(observation_of(replace(SAMPLE, **{field: value})), NOW, TUNING)
        assert assessment == Assessment(Load(), no_data="every report is invalid")
    assert assess(observation_of(replace(SAMPLE, **{field: 0})), NOW, TUNING).no_data == ""


def test_a_report_of_an_infinite_time_or_of_no_pod_is_invalid():
    for invalid in (replace(SAMPLE, at=float("inf")), replace(SAMPLE, pods=0)):
        assert assess(observation_of(invalid), NOW, TUNING).no_data == "every report is invalid"


def test_times_before_zero_are_valid():
    assert assess(observation_of(replace(SAMPLE, at=-3.0)), -3.0, TUNING).load.pods == 1


@pytest.mark.parametrize(
    ("ages_s", "reason"),
    [
        ([], "no pod has reported"),
        ([30, 12], "the newest report is 12 s old, the limit is 5 s"),
        ([30, -7], "the newest report is 7 s in the future"),
    ],
)
def test_missing_data_is_explained_by_the_newest_report(ages_s, reason):
    samples = [replace(SAMPLE, at=NOW - age_s) for age_s in ages_s]
    assert assess(observation_of(*samples), NOW, TUNING) == Assessment(Load(), no_data=reason)


def test_an_invalid_report_does_not_explain_missing_data():
    newer_but_invalid = replace(SAMPLE, at=NOW - 6, busy=-1)
    reason = assess(observation_of(replace(SAMPLE, at=NOW - 12), newer_but_invalid), NOW, TUNING).no_data
    assert reason == "the newest report is 12 s old, the limit is 5 s"


@pytest.mark.parametrize(
    ("reporting", "expected", "factor", "partial"),
    [
        (10, 10, 1.0, ""),
        # Pods that have just become ready report before a report of them is due.
        (12, 10, 1.0, ""),
        # A tenth may be silent.
        (9, 10, 10 / 9, ""),
        (17, 20, 20 / 17, "3 of 20 pods are silent"),
    ],
)
def test_silent_pods_are_assumed_to_have_the_mean_load(reporting, expected, factor, partial):
    observation = observation_of(*[SAMPLE] * reporting, expected=expected)
    assessment = assess(observation, NOW, TUNING)
    total = max(reporting, expected)
    assert (assessment.factor, assessment.partial, assessment.no_data) == (pytest.approx(factor), partial, "")
    assert assessment.load.pods == total
    assert (assessment.load.arrivals, assessment.load.accepted) == pytest.approx((40 * total, 30 * total))
    assert (assessment.load.busy, assessment.load.queue) == pytest.approx((0.5 * total, 4 * total))


def test_a_pod_is_warm_after_the_warm_up():
    assert assess(observation_of(replace(SAMPLE, ready_s=30)), NOW, TUNING).load.warm_pods == 1
    assert assess(observation_of(replace(SAMPLE, ready_s=29)), NOW, TUNING).load.warm_pods == 0


def test_rates_of_posts_include_the_silent_pods():
    observation = replace(observation_of(SAMPLE, expected=2), posts=(PostRate("a", 5.0), PostRate("b", 1.0)))
    scaled = scale_posts(observation, assess(observation, NOW, TUNING))
    assert scaled == replace(observation, posts=(PostRate("a", 10.0), PostRate("b", 2.0)))
    complete = replace(observation, expected=1)
    assert scale_posts(complete, assess(complete, NOW, TUNING)) == complete
