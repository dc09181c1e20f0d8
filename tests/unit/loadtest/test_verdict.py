"""What a drill makes of what it saw: percentiles, proofs, expected numbers, the verdict."""

import time
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.loadtest.checks.expected import Expected, expected
from service.loadtest.checks.freshness import Looks, covered, levels
from service.loadtest.checks.verdict import Observed, Verdict, judge
from service.loadtest.generator.distribution import LIKE, REPEAT, UNLIKE
from service.loadtest.generator.plan import Options
from service.loadtest.generator.progress import Live
from service.loadtest.generator.recorder import Tally
from service.loadtest.report.statistics import over_time, per_step, percentiles, step_of, times

POSTS = ["one", "two"]
POST_OF = array("I", [0, 1] * 5)


def run_of(likes: int, status: int = 201, **changes: Any) -> Tally:
    tally = Tally(10)
    for like in range(likes):
        tally.sent = like + 1
        tally.answer(LIKE, like, status, 0.001 * like, again=False)
    for name, value in changes.items():
        setattr(tally, name, value)
    return tally


def verdict_of(tally: Tally, found: Observed, *, interrupted: bool = False, trouble: bool = False) -> Verdict:
    options = Options(likes=10, seconds=1, posts=2, trouble=trouble)
    return judge(options, POSTS, tally, expected(tally, POST_OF, 2), found, interrupted=interrupted)


def all_of(first: int, second: int, **changes: Any) -> Observed:
    held = {"one": first, "two": second}
    return Observed(**{"counted": held, "rows": held, "shown": held} | changes)


def test_one_number_is_well() -> None:
    verdict = verdict_of(run_of(10), all_of(5, 5))
    assert verdict.ok
    sums = verdict.sums
    assert (sums.acknowledged, sums.counted, sums.rows, sums.shown) == (10, 10, 10, 10)


@pytest.mark.parametrize("who", ["counted", "rows", "shown"])
def test_each_of_the_three_can_disagree(who: str) -> None:
    verdict = verdict_of(run_of(10), all_of(5, 5, **{who: {"one": 5, "two": 4}}))
    assert [reason.startswith("two: 5 likes acknowledged, ") for reason in verdict.reasons] == [True]


def test_equal_sums_do_not_hide_two_posts_that_disagree() -> None:
    verdict = verdict_of(run_of(10), all_of(6, 4))
    assert verdict.reasons[0].startswith("one: 5 likes acknowledged, 6 counted by Redis, 6 rows in Postgres, 6 shown")
    assert len(verdict.reasons) == 2


def test_a_lost_row_is_said() -> None:
    verdict = verdict_of(run_of(10), all_of(5, 5, rows={"one": 5, "two": 4}, pending=1))
    assert verdict.reasons == [
        "1 likes were still pending: not all are in Postgres yet",
        "two: 5 likes acknowledged, 5 counted by Redis, 4 rows in Postgres, 5 shown",
    ]


def test_what_could_not_be_asked_is_said() -> None:
    assert "Redis hangs" in verdict_of(run_of(10), all_of(5, 5, problems=["Redis hangs"])).reasons


def test_refusals_are_said() -> None:
    verdict = verdict_of(run_of(10, 400), all_of(0, 0))
    assert verdict.reasons == ["10 of 10 likes sent were not acknowledged", "10 likes were answered 400 Bad Request"]


def test_what_the_first_refusal_said_is_said() -> None:
    verdict = verdict_of(run_of(10, 503, details={503: "Redis is full."}), all_of(0, 0))
    assert "10 likes were answered 503 Service Unavailable, the first: Redis is full" in verdict.reasons


def test_too_many_requests_says_which_setting() -> None:
    assert "LIKEWISE_UNLIMITED_NETWORKS" in " ".join(verdict_of(run_of(10, 429), all_of(0, 0)).reasons)


@pytest.mark.parametrize("there", [0, 2, 5])
def test_outcomes_that_nobody_knows_make_a_range_and_no_disagreement(there: int) -> None:
    verdict = verdict_of(run_of(10, 503), all_of(there, there))
    assert (verdict.sums.least, verdict.sums.most) == (0, 10)
    assert not verdict.ok
    assert f"some outcomes are not known (lost, unanswered or 5xx): 0 to 10 likes may count, and {2 * there} do" in (
        verdict.reasons
    )


def test_a_range_does_not_hide_what_is_outside_of_it() -> None:
    reasons = verdict_of(run_of(10, 503), all_of(6, 0)).reasons
    assert "one: 0 to 5 likes acknowledged, 6 counted by Redis, 6 rows in Postgres, 6 shown" in reasons


def test_a_range_does_not_hide_that_two_disagree() -> None:
    reasons = verdict_of(run_of(10, 503), all_of(2, 0, rows={"one": 1})).reasons
    assert "one: 0 to 5 likes acknowledged, 2 counted by Redis, 1 rows in Postgres, 2 shown" in reasons


def refused_from(first: int) -> Tally:
    """Ten likes, those from `first` on answered 503."""
    tally = run_of(first)
    for like in range(first, 10):
        tally.sent = like + 1
        tally.answer(LIKE, like, 503, 0.001 * like, again=False)
    return tally


def test_expected_trouble_may_refuse_likes() -> None:
    tally = refused_from(6)
    assert not verdict_of(tally, all_of(3, 3)).ok
    assert verdict_of(tally, all_of(3, 3), trouble=True).ok
    assert verdict_of(tally, all_of(4, 3), trouble=True).ok  # one of the 503s had counted


@pytest.mark.parametrize("there", [(2, 3), (6, 3)])
def test_expected_trouble_may_not_lose_or_double_a_like(there: tuple[int, int]) -> None:
    assert not verdict_of(refused_from(6), all_of(*there), trouble=True).ok


def test_expected_trouble_is_no_success_without_a_like() -> None:
    assert verdict_of(refused_from(0), all_of(0, 0), trouble=True).reasons == ["no like was acknowledged"]


def test_an_interrupted_run_never_is_well() -> None:
    verdict = verdict_of(run_of(4), all_of(2, 2), interrupted=True)
    assert verdict.reasons == ["interrupted after 4 of 10 likes"]


def test_likes_never_sent_are_said() -> None:
    assert "6 likes were never sent" in verdict_of(run_of(4), all_of(2, 2)).reasons[0]


def test_200_counts_only_where_it_was_sent_again() -> None:
    tally = Tally(10, sent=2)
    assert tally.answer(LIKE, 0, 200, 0.1, again=True)
    assert not tally.answer(LIKE, 1, 200, 0.1, again=False)
    assert expected(tally, POST_OF, 2) == [Expected(1), Expected(0, perhaps=1)]
    assert any("though sent once" in reason for reason in verdict_of(tally, all_of(1, 1)).reasons)


def test_unlikes_lower_what_is_expected() -> None:
    tally = run_of(10)
    assert not tally.answer(UNLIKE, 0, 200, 1, again=False)
    tally.answer(UNLIKE, 2, 503, 1, again=False)
    tally.answer(UNLIKE, 4, 400, 1, again=False)
    tally.lose(UNLIKE, 6, 1)
    tally.give_up(UNLIKE, 8)
    one = expected(tally, POST_OF, 2)[0]
    assert one == Expected(5, unliked=1, perhaps_unliked=3)
    assert (one.least, one.most) == (1, 4)


def test_unlikes_that_are_acknowledged_leave_one_number() -> None:
    tally = run_of(10)
    tally.answer(UNLIKE, 0, 200, 1, again=False)
    assert verdict_of(tally, all_of(4, 5)).ok
    assert "less unlikes, 5 counted" in verdict_of(tally, all_of(5, 5)).reasons[0]


def test_a_repeat_that_counts_is_said() -> None:
    tally = run_of(10)
    tally.answer(REPEAT, 0, 200, 1, again=False)
    tally.answer(REPEAT, 1, 201, 1, again=False)
    assert verdict_of(tally, all_of(5, 5)).reasons == ["1 repeats were answered 201: one actor counted twice"]


def test_what_was_lost_or_unknown_is_said() -> None:
    tally = run_of(10, lost=[1, 0, 2], unanswered=[2, 0, 0], never_sent=[0, 4, 0], strangers=3)
    reasons = " ".join(verdict_of(tally, all_of(5, 5)).reasons)
    assert "1 likes lost their connection twice" in reasons
    assert "2 repeats lost their connection twice" in reasons
    assert "2 likes had no answer" in reasons
    assert "4 unlikes were never sent" in reasons
    assert "3 tokens were not known" in reasons


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert percentiles(values, 0, 0.5, 0.99, 0.999, 1) == [1, 500, 990, 999, 1000]
    assert percentiles([7.0], 0.5, 0.999) == [7, 7]
    assert percentiles([], 0.5, 0.99) == [None, None]


def test_those_that_never_came_are_the_slowest() -> None:
    found = times([0.001] * 98, never=2)
    assert found is not None
    assert (found.of, found.p50_ms, found.p99_ms, found.max_ms) == (100, 1, None, None)
    assert times([]) is None


def test_a_curve_is_no_finer_than_there_are_likes() -> None:
    found = times(number / 1_000 for number in range(1, 101))
    assert found is not None
    assert [share for share, _ in found.curve][-2:] == [0.99, 1.0]
    assert [ms for _, ms in found.curve] == sorted(ms for _, ms in found.curve)


@given(st.lists(st.floats(0, 9.99), max_size=50))
def test_no_moment_is_left_out_of_the_steps(moments: list[float]) -> None:
    assert sum(per_step(moments, 0.2, 50)) == len(moments)


def test_figures_over_time() -> None:
    assert over_time([(0.1, 0.001), (0.9, 0.003), (2.5, 0.002)], 1, 3) == [[1, None, 2], [3, None, 2]]
    assert [step_of(seconds) for seconds in (3_600, 30, 29, 5, 0.1)] == [1, 1, 0.5, 0.1, 0.02]


def test_the_p99_so_far_takes_in_what_is_new() -> None:
    tally, live = Tally(200), Live([0.0] * 200)
    assert live.look(tally, 0) == (0, None)
    for like in range(200):
        tally.answer(LIKE, like, 201, 0.01 if like < 197 else 1.0, again=False)
    rate, p99 = live.look(tally, 2)
    assert rate == 100
    assert p99 == pytest.approx(1_000, rel=0.13)
    assert live.look(tally, 4)[1] == p99


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=30),
    st.lists(st.floats(0, 4), max_size=10),
)
def test_no_like_is_proven_before_it_was_counted(likes: list[tuple[float, float, float]], looks: list[float]) -> None:
    """Each like is sent in turn, counted some time later and acknowledged after that; looks tell how many count."""
    sent = sorted(start for start, _, _ in likes)
    counted = [start + wait for start, (_, wait, _) in zip(sent, likes, strict=True)]
    acknowledged = [start + wait for start, (_, _, wait) in zip(counted, likes, strict=True)]
    tally = Tally(len(likes))
    for at, like in sorted(zip(acknowledged, range(len(likes)), strict=True)):
        tally.sent = sum(start <= at for start in sent)
        tally.answer(LIKE, like, 201, at, again=False)
    seen = Looks()
    for at in sorted([*looks, 4.0]):
        seen.add(at, sum(when <= at for when in counted))
    found, never = covered(levels(tally, [0] * len(likes), 0, doubtful=True), seen)
    proven = list(found)
    assert all(at >= counted[like] for like, at in proven)
    assert never == 0  # the last look has them all
    assert len(proven) == len(likes)


def test_likes_of_other_posts_and_refused_ones_prove_nothing() -> None:
    tally = Tally(6, sent=6)
    for like, status in enumerate((201, 201, 400, 503, 201)):
        tally.answer(LIKE, like, status, time.monotonic(), again=False)
    post_of = [0, 1, 0, 0, 0, 0]
    assert list(levels(tally, post_of, 0, doubtful=False)) == [(0, 2), (4, 2)]
    assert list(levels(tally, post_of, 0, doubtful=True)) == [(0, 4), (4, 4)]


def test_a_look_that_failed_is_kept_with_its_reason() -> None:
    looks = Looks()
    looks.fail("away")
    looks.fail("away too")
    proven, never = covered([(0, 1)], looks)
    assert (looks.failed, looks.problem, list(proven), never) == (2, "away", [], 1)
