"""Test what is computed from a recorded run: expected counts, freshness, percentiles, verdict."""

import time
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.loadtest.checks.expected import Expected, expected_counts
from service.loadtest.checks.freshness import Samples, first_proofs, proof_levels
from service.loadtest.checks.verdict import ObservedState, Verdict, judge
from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE
from service.loadtest.generator.plan import Options
from service.loadtest.generator.progress import RunProgress
from service.loadtest.generator.recorder import Recorder
from service.loadtest.report.statistics import count_per_step, percentiles, percentiles_per_step, step_length, summarize

POSTS = ["one", "two"]
POST_OF = array("I", [0, 1] * 5)


def recorded_run(likes: int, status: int = 201, **changes: Any) -> Recorder:
    recorder = Recorder(10)
    for like in range(likes):
        recorder.sent = like + 1
        recorder.record_response(LIKE, like, status, 0.001 * like, retried=False)
    for name, value in changes.items():
        setattr(recorder, name, value)
    return recorder


def verdict_of(
    recorder: Recorder, observed: ObservedState, *, interrupted: bool = False, allow_errors: bool = False
) -> Verdict:
    options = Options(likes=10, seconds=1, posts=2, allow_errors=allow_errors)
    return judge(options, POSTS, recorder, expected_counts(recorder, POST_OF, 2), observed, interrupted=interrupted)


def observed_counts(first: int, second: int, **changes: Any) -> ObservedState:
    counts = {"one": first, "two": second}
    return ObservedState(**{"counted": counts, "rows": counts, "shown": counts} | changes)


def test_equal_counts_are_a_success() -> None:
    verdict = verdict_of(recorded_run(10), observed_counts(5, 5))
    assert verdict.ok
    sums = verdict.sums
    assert (sums.acknowledged, sums.counted, sums.rows, sums.shown) == (10, 10, 10, 10)


@pytest.mark.parametrize("source", ["counted", "rows", "shown"])
def test_each_source_can_disagree(source: str) -> None:
    verdict = verdict_of(recorded_run(10), observed_counts(5, 5, **{source: {"one": 5, "two": 4}}))
    assert [reason.startswith("two: 5 likes acknowledged, ") for reason in verdict.reasons] == [True]


def test_equal_sums_do_not_hide_posts_that_disagree() -> None:
    verdict = verdict_of(recorded_run(10), observed_counts(6, 4))
    assert verdict.reasons[0].startswith("one: 5 likes acknowledged, 6 counted by Redis, 6 rows in Postgres, 6 shown")
    assert len(verdict.reasons) == 2


def test_a_lost_row_is_reported() -> None:
    verdict = verdict_of(recorded_run(10), observed_counts(5, 5, rows={"one": 5, "two": 4}, pending=1))
    assert verdict.reasons == [
        "1 likes were still pending: they are not in Postgres yet",
        "two: 5 likes acknowledged, 5 counted by Redis, 4 rows in Postgres, 5 shown",
    ]


def test_a_source_that_fails_is_reported() -> None:
    assert "Redis hangs" in verdict_of(recorded_run(10), observed_counts(5, 5, problems=["Redis hangs"])).reasons


def test_refusals_are_reported() -> None:
    verdict = verdict_of(recorded_run(10, 400), observed_counts(0, 0))
    assert verdict.reasons == [
        "10 of 10 likes sent were not acknowledged",
        "10 likes were answered with 400 Bad Request",
    ]


def test_the_first_refusal_is_quoted() -> None:
    verdict = verdict_of(recorded_run(10, 503, details={503: "Redis is full."}), observed_counts(0, 0))
    assert "10 likes were answered with 503 Service Unavailable, the first: Redis is full" in verdict.reasons


def test_429_names_the_setting() -> None:
    assert "LIKEWISE_UNLIMITED_NETWORKS" in " ".join(verdict_of(recorded_run(10, 429), observed_counts(0, 0)).reasons)


@pytest.mark.parametrize("count", [0, 2, 5])
def test_unknown_outcomes_give_a_range(count: int) -> None:
    verdict = verdict_of(recorded_run(10, 503), observed_counts(count, count))
    assert (verdict.sums.least, verdict.sums.most) == (0, 10)
    assert not verdict.ok
    assert f"some outcomes are unknown (lost, unanswered or 5xx): 0 to 10 likes may count, and {2 * count} do" in (
        verdict.reasons
    )


def test_a_count_outside_the_range_is_reported() -> None:
    reasons = verdict_of(recorded_run(10, 503), observed_counts(6, 0)).reasons
    assert "one: 0 to 5 likes acknowledged, 6 counted by Redis, 6 rows in Postgres, 6 shown" in reasons


def test_a_range_does_not_hide_a_disagreement() -> None:
    reasons = verdict_of(recorded_run(10, 503), observed_counts(2, 0, rows={"one": 1})).reasons
    assert "one: 0 to 5 likes acknowledged, 2 counted by Redis, 1 rows in Postgres, 2 shown" in reasons


def refused_from(first: int) -> Recorder:
    """Record ten likes, of which those from `first` on are answered with 503."""
    recorder = recorded_run(first)
    for like in range(first, 10):
        recorder.sent = like + 1
        recorder.record_response(LIKE, like, 503, 0.001 * like, retried=False)
    return recorder


def test_allowed_errors_may_refuse_likes() -> None:
    recorder = refused_from(6)
    assert not verdict_of(recorder, observed_counts(3, 3)).ok
    assert verdict_of(recorder, observed_counts(3, 3), allow_errors=True).ok
    # One of the likes answered with 503 was counted.
    assert verdict_of(recorder, observed_counts(4, 3), allow_errors=True).ok


@pytest.mark.parametrize("counts", [(2, 3), (6, 3)])
def test_allowed_errors_may_not_lose_or_duplicate_a_like(counts: tuple[int, int]) -> None:
    assert not verdict_of(refused_from(6), observed_counts(*counts), allow_errors=True).ok


def test_with_allowed_errors_a_like_must_be_acknowledged() -> None:
    assert verdict_of(refused_from(0), observed_counts(0, 0), allow_errors=True).reasons == ["no like was acknowledged"]


def test_an_interrupted_run_is_a_failure() -> None:
    verdict = verdict_of(recorded_run(4), observed_counts(2, 2), interrupted=True)
    assert verdict.reasons == ["interrupted after 4 of 10 likes"]


def test_likes_never_sent_are_reported() -> None:
    assert "6 likes were never sent" in verdict_of(recorded_run(4), observed_counts(2, 2)).reasons[0]


def test_200_acknowledges_only_a_retried_like() -> None:
    recorder = Recorder(10, sent=2)
    assert recorder.record_response(LIKE, 0, 200, 0.1, retried=True)
    assert not recorder.record_response(LIKE, 1, 200, 0.1, retried=False)
    assert expected_counts(recorder, POST_OF, 2) == [Expected(1), Expected(0, maybe_counted=1)]
    assert any(
        "although they were sent once" in reason for reason in verdict_of(recorder, observed_counts(1, 1)).reasons
    )


def test_unlikes_lower_the_expected_count() -> None:
    recorder = recorded_run(10)
    assert not recorder.record_response(UNLIKE, 0, 200, 1, retried=False)
    recorder.record_response(UNLIKE, 2, 503, 1, retried=False)
    recorder.record_response(UNLIKE, 4, 400, 1, retried=False)
    recorder.record_loss(UNLIKE, 6, 1)
    recorder.record_unanswered(UNLIKE, 8)
    one = expected_counts(recorder, POST_OF, 2)[0]
    assert one == Expected(5, unliked=1, maybe_unliked=3)
    assert (one.least, one.most) == (1, 4)


def test_acknowledged_unlikes_leave_an_exact_count() -> None:
    recorder = recorded_run(10)
    recorder.record_response(UNLIKE, 0, 200, 1, retried=False)
    assert verdict_of(recorder, observed_counts(4, 5)).ok
    assert "less unlikes, 5 counted" in verdict_of(recorder, observed_counts(5, 5)).reasons[0]


def test_a_repeat_that_is_counted_is_reported() -> None:
    recorder = recorded_run(10)
    recorder.record_response(REPEAT, 0, 200, 1, retried=False)
    recorder.record_response(REPEAT, 1, 201, 1, retried=False)
    assert verdict_of(recorder, observed_counts(5, 5)).reasons == [
        "1 repeats were answered with 201: one actor was counted twice"
    ]


def test_lost_requests_and_unknown_tokens_are_reported() -> None:
    recorder = recorded_run(10, lost=[1, 0, 2], unanswered=[2, 0, 0], never_sent=[0, 4, 0], unknown_tokens=3)
    reasons = " ".join(verdict_of(recorder, observed_counts(5, 5)).reasons)
    assert "1 likes lost their connection twice" in reasons
    assert "2 repeats lost their connection twice" in reasons
    assert "2 likes had no response" in reasons
    assert "4 unlikes were never sent" in reasons
    assert "3 tokens were unknown" in reasons


def test_percentiles_are_measured_values() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert percentiles(values, 0, 0.5, 0.99, 0.999, 1) == [1, 500, 990, 999, 1000]
    assert percentiles([7.0], 0.5, 0.999) == [7, 7]
    assert percentiles([], 0.5, 0.99) == [None, None]


def test_missing_values_count_as_the_slowest() -> None:
    summary = summarize([0.001] * 98, never=2)
    assert summary is not None
    assert (summary.of, summary.p50_ms, summary.p99_ms, summary.max_ms) == (100, 1, None, None)
    assert summarize([]) is None


def test_a_curve_is_no_finer_than_there_are_likes() -> None:
    summary = summarize(number / 1_000 for number in range(1, 101))
    assert summary is not None
    assert [share for share, _ in summary.curve][-2:] == [0.99, 1.0]
    assert [ms for _, ms in summary.curve] == sorted(ms for _, ms in summary.curve)


@given(st.lists(st.floats(0, 9.99), max_size=50))
def test_every_moment_is_in_a_step(moments: list[float]) -> None:
    assert sum(count_per_step(moments, 0.2, 50)) == len(moments)


def test_percentiles_per_step() -> None:
    assert percentiles_per_step([(0.1, 0.001), (0.9, 0.003), (2.5, 0.002)], 1, 3) == [[1, None, 2], [3, None, 2]]
    assert [step_length(seconds) for seconds in (3_600, 30, 29, 5, 0.1)] == [1, 1, 0.5, 0.1, 0.02]


def test_the_p99_so_far_includes_new_likes() -> None:
    recorder, progress = Recorder(200), RunProgress([0.0] * 200)
    assert progress.update(recorder, 0) == (0, None)
    for like in range(200):
        recorder.record_response(LIKE, like, 201, 0.01 if like < 197 else 1.0, retried=False)
    rate, p99 = progress.update(recorder, 2)
    assert rate == 100
    assert p99 == pytest.approx(1_000, rel=0.13)
    assert progress.update(recorder, 4)[1] == p99


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=30),
    st.lists(st.floats(0, 4), max_size=10),
)
def test_no_like_is_proven_before_it_was_counted(likes: list[tuple[float, float, float]], samples: list[float]) -> None:
    """Each like is sent in turn, counted some time later, and acknowledged after that. Samples read the count."""
    sent = sorted(start for start, _, _ in likes)
    counted = [start + wait for start, (_, wait, _) in zip(sent, likes, strict=True)]
    acknowledged = [start + wait for start, (_, _, wait) in zip(counted, likes, strict=True)]
    recorder = Recorder(len(likes))
    for at, like in sorted(zip(acknowledged, range(len(likes)), strict=True)):
        recorder.sent = sum(start <= at for start in sent)
        recorder.record_response(LIKE, like, 201, at, retried=False)
    seen = Samples()
    for at in sorted([*samples, 4.0]):
        seen.add(at, sum(when <= at for when in counted))
    found, unproven = first_proofs(proof_levels(recorder, [0] * len(likes), 0, unknown_may_count=True), seen)
    proven = list(found)
    assert all(at >= counted[like] for like, at in proven)
    # The last sample counts all of them.
    assert unproven == 0
    assert len(proven) == len(likes)


def test_likes_of_other_posts_and_refused_likes_prove_nothing() -> None:
    recorder = Recorder(6, sent=6)
    for like, status in enumerate((201, 201, 400, 503, 201)):
        recorder.record_response(LIKE, like, status, time.monotonic(), retried=False)
    post_of = [0, 1, 0, 0, 0, 0]
    assert list(proof_levels(recorder, post_of, 0, unknown_may_count=False)) == [(0, 2), (4, 2)]
    assert list(proof_levels(recorder, post_of, 0, unknown_may_count=True)) == [(0, 4), (4, 4)]


def test_a_failed_sample_is_counted_with_its_reason() -> None:
    samples = Samples()
    samples.add_failure("away")
    samples.add_failure("away too")
    proven, unproven = first_proofs([(0, 1)], samples)
    assert (samples.failed, samples.problem, list(proven), unproven) == (2, "away", [], 1)
