"""A sliding window at its edges: where windows meet, where the clock is set back, and how often keys are exchanged."""

import pytest

from service.ratelimit.sliding_window import (
    MAX_CLOCK_STEP_BACK_S,
    SYNC_ROUNDS,
    CountUpdate,
    SlidingWindow,
    WindowCounts,
)

NOON = 43_200
WINDOW = NOON // 60


def window(limit: int = 3, max_keys: int = 10, sync_threshold: int = 2) -> SlidingWindow:
    """Return a window of a minute."""
    return SlidingWindow(limit, 60, max_keys=max_keys, sync_threshold=sync_threshold)


def hit(window: SlidingWindow, key: str, now: float, times: int = 1) -> None:
    """Count hits of a key."""
    for _ in range(times):
        window.count(key, window.get(key, now))


def test_a_key_that_was_never_counted_is_not_kept() -> None:
    counted = window()
    assert counted.get("a", NOON) == WindowCounts(WINDOW)
    assert len(counted) == 0


def test_a_window_counts_in_the_next_one_but_no_later() -> None:
    counted = window()
    hit(counted, "a", NOON, times=2)
    assert counted.get("a", NOON + 59.9) == WindowCounts(WINDOW, here=2)
    assert counted.get("a", NOON + 60) == WindowCounts(WINDOW + 1, here_before=2)
    assert counted.get("a", NOON + 180) == WindowCounts(WINDOW + 3)


@pytest.mark.parametrize(
    ("back_s", "kept"),
    [(0.001, True), (MAX_CLOCK_STEP_BACK_S, True), (MAX_CLOCK_STEP_BACK_S + 0.001, False), (60, False)],
)
def test_a_clock_that_is_set_back_further_starts_keys_again(back_s: float, kept: bool) -> None:
    counted = window()
    hit(counted, "a", NOON)
    counts = counted.get("a", NOON - back_s)
    assert (counts.window, counts.here) == ((WINDOW, 1) if kept else ((NOON - back_s) // 60, 0))


def test_time_stands_still_while_the_clock_is_behind_the_window() -> None:
    counts = WindowCounts(WINDOW, here=1, here_before=10)
    assert window().used(counts, NOON - 0.5) == window().used(counts, NOON) == 11
    assert window().used(counts, NOON + 30) == 6


@pytest.mark.parametrize(
    ("limit", "counts", "now", "used", "wait_s"),
    [
        # A limit of 0 refuses forever: callers ask again each second.
        (0, WindowCounts(WINDOW, here=1), NOON, 1, 1),
        # Fewer count already.
        (3, WindowCounts(WINDOW, here_before=2), NOON + 30, 2, 1),
        # One of two is out of reach after half of the window.
        (3, WindowCounts(WINDOW, here_before=2), NOON, 1, 31),
        # Half of this window's two are out of reach after half of the next.
        (3, WindowCounts(WINDOW, here=2), NOON, 1, 91),
        (1, WindowCounts(WINDOW, here=2), NOON, 2, 91),
    ],
)
def test_waits_are_whole_seconds_and_at_least_one(
    limit: int, counts: WindowCounts, now: float, used: int, wait_s: int
) -> None:
    assert window(limit).wait_s(counts, now, used) == wait_s


@pytest.mark.parametrize(("here", "before", "exchanged"), [(1, 1, []), (2, 0, ["a"]), (0, 2, ["a"]), (1, 2, ["a"])])
def test_a_key_is_exchanged_from_the_threshold_on(here: int, before: int, exchanged: list[str]) -> None:
    counted = window(sync_threshold=2)
    counted.touch("a", WindowCounts(WINDOW, here=here, here_before=before))
    assert counted.take_pending() == exchanged


def test_a_touched_key_is_exchanged_in_two_rounds_and_again_after_a_failure() -> None:
    counted = window(sync_threshold=1)
    hit(counted, "a", NOON)
    assert [counted.take_pending() for _ in range(SYNC_ROUNDS + 2)] == [["a"]] * SYNC_ROUNDS + [[], []]
    counted.requeue(["a", "unknown"])
    assert [counted.take_pending() for _ in range(SYNC_ROUNDS + 1)] == [["a"]] * SYNC_ROUNDS + [[]]


def test_an_evicted_key_is_no_longer_exchanged() -> None:
    counted = window(max_keys=2, sync_threshold=1)
    for key in ("a", "b", "a", "c"):
        hit(counted, key, NOON)
    assert counted.take_pending() == ["a", "c"]
    assert counted.get("b", NOON) == WindowCounts(WINDOW)


def test_updates_cover_this_window_and_the_previous_one_until_it_is_acknowledged() -> None:
    counted = window()
    hit(counted, "a", NOON, times=2)
    hit(counted, "a", NOON + 60)
    this, previous = CountUpdate("a", WINDOW + 1, 1), CountUpdate("a", WINDOW, 2)
    assert list(counted.pending_updates(["a", "unknown"])) == [this, previous]
    counted.merge(previous, 5, acknowledged_until=NOON + 59.9)
    assert list(counted.pending_updates(["a"])) == [this, previous]
    counted.merge(previous, 5, acknowledged_until=NOON + 60)
    assert list(counted.pending_updates(["a"])) == [this]


def test_hits_of_others_never_decrease() -> None:
    counted = window()
    hit(counted, "a", NOON)
    hit(counted, "a", NOON + 60)
    for others, expected in ((4, 4), (3, 4), (5, 5)):
        counted.merge(CountUpdate("a", WINDOW + 1, 0), others, 0)
        counted.merge(CountUpdate("a", WINDOW, 0), others, 0)
        counts = counted.get("a", NOON + 60)
        assert (counts.others, counts.others_before) == (expected, expected)


@pytest.mark.parametrize(
    "update", [CountUpdate("a", WINDOW - 2, 9), CountUpdate("a", WINDOW + 1, 9), CountUpdate("b", WINDOW, 9)]
)
def test_updates_of_other_windows_and_keys_change_nothing(update: CountUpdate) -> None:
    counted = window()
    hit(counted, "a", NOON)
    counted.merge(update, 9, acknowledged_until=NOON + 600)
    assert counted.get("a", NOON) == WindowCounts(WINDOW, here=1)
    assert len(counted) == 1
