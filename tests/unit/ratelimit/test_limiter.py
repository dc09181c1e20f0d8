"""A limit decides as the library's sliding-window counter does, in bounded memory, whatever the clock does."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.errors import ConfigurationError
from service.observability.metrics import RATE_LIMITED
from service.ratelimit.limiter import LimitedError, Quota, headers_of, spend_all
from tests.support.ratelimit_pods import NOON, Clock, allowed

STEPS = st.one_of(st.sampled_from([0.0, 0.001, 1.0, 30.0, 59.999, 60.0, 120.0]), st.floats(0, 150))
HITS = st.lists(st.tuples(STEPS, st.sampled_from("aab")), min_size=1, max_size=60)


class NoTimer:
    """The library's memory clears up on threads, between two lines of a test."""

    def __init__(self, *_):
        pass

    def start(self):
        pass

    def is_alive(self):
        return True


def quota(limit="3/minute", now=NOON, **options):
    clock = Clock(now)
    return Quota("likes-of-an-actor", limit, "LIKEWISE_ACTOR_LIMIT", clock=clock, **options), clock


@given(limit=st.integers(1, 12), began=st.floats(NOON, NOON + 60), hits=HITS)
def test_it_decides_as_the_library_does(limit, began, hits):
    ours, clock = quota(f"{limit}/minute", began)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("limits.storage.memory.time", clock)
        patched.setattr("limits.storage.memory.threading", SimpleNamespace(Timer=NoTimer, RLock=threading.RLock))
        patched.setattr("limits.strategies.time", clock)
        item, library = parse(f"{limit}/minute"), SlidingWindowCounterRateLimiter(MemoryStorage())
        for step, who in hits:
            clock.now += step
            expected = library.hit(item, who)
            assert allowed(ours, who) == expected
            if library.test(item, who):
                assert ours.check(who).remaining == library.get_window_stats(item, who).remaining


@given(limit=st.integers(1, 100), began=st.floats(NOON, NOON + 60), hits=HITS)
def test_waiting_as_long_as_it_says_is_enough_and_needed(limit, began, hits):
    ours, clock = quota(f"{limit}/minute", began)
    for step, _ in hits:
        clock.now += step
        while allowed(ours):
            pass
        refused_at = clock.now
        with pytest.raises(LimitedError) as refused:
            ours.check("a")
        wait_s = refused.value.allowance.reset_s
        assert 1 <= wait_s <= 61
        clock.now = max(refused_at, refused_at + wait_s - 1.001)
        with pytest.raises(LimitedError):
            ours.check("a")
        clock.now = refused_at + wait_s
        assert ours.check("a").remaining >= 1


def test_what_is_left_and_when_more_is():
    ours, clock = quota("2/minute", NOON + 20)
    first, second = ours.spend("a"), ours.spend("a")
    assert first == ("likes-of-an-actor", 2, 60, 1, 41)
    assert first.headers() == {
        "RateLimit-Policy": '"likes-of-an-actor";q=2;w=60',
        "RateLimit": '"likes-of-an-actor";r=1;t=41',
    }
    assert headers_of([first, second])["RateLimit"] == '"likes-of-an-actor";r=1;t=41, "likes-of-an-actor";r=0;t=41'
    before = RATE_LIMITED.labels("likes-of-an-actor")._value.get()
    for refusing in (ours.check, ours.spend):
        with pytest.raises(LimitedError, match="'likes-of-an-actor', 2 in 60 s, is used up; try again in 41 s"):
            refusing("a")
    assert RATE_LIMITED.labels("likes-of-an-actor")._value.get() == before + 2
    assert ours.check("b").remaining == 2
    clock.now = NOON + 61
    assert ours.spend("a").remaining == 0  # what was refused never counted


def test_several_are_spent_all_or_none():
    (actor, clock), (network, _) = quota("1/minute"), quota("2/hour")
    assert [left.remaining for left in spend_all([(actor, "a"), (network, "n")])] == [0, 1]
    clock.now += 30
    with pytest.raises(LimitedError) as refused:
        spend_all([(network, "n"), (actor, "a")])
    assert refused.value.allowance.limit == 1
    assert network.check("n").remaining == 1
    network.spend("n")
    with pytest.raises(LimitedError) as refused:
        spend_all([(actor, "a"), (network, "n")])
    assert refused.value.allowance.limit == 2  # the one to wait for longest


def test_memory_is_bounded_and_the_longest_untouched_goes():
    ours, _ = quota("2/minute", max_keys=3)
    for who in ("a", "b", "c", "a", "a?", "d"):
        allowed(ours, who)
    assert len(ours.windows) == 3
    assert [ours.check(who).remaining for who in ("b", "c", "a?", "d")] == [2, 2, 1, 1]
    assert not allowed(ours, "a")  # refused: that touches it too
    ours.spend("e")
    assert not allowed(ours, "a")


def test_what_is_forgotten_is_not_told():
    ours, _ = quota("9/minute", max_keys=2)
    for who in ("a", "a", "b", "b", "c", "c"):
        ours.spend(who)
    assert ours.windows.take_touched() == ["b", "c"]
    ours.spend("d")
    ours.windows.touch_again(["b", "c"])
    assert ours.windows.take_touched() == ["c"]


@given(st.lists(st.one_of(STEPS, st.floats(-1e6, 1e6), st.floats(-2, 2)), max_size=40))
def test_a_clock_that_jumps_breaks_nothing(jumps):
    ours, clock = quota()
    for jump in jumps:
        clock.now += jump
        if allowed(ours):
            assert 0 <= ours.windows.used(ours.windows.look("a", clock.now), clock.now) <= 3
    clock.now += 121
    assert ours.check("a").remaining == 3
    assert ours.spend("a").reset_s >= 1


def test_a_small_step_back_gives_nothing_away():
    ours, clock = quota("2/minute", NOON + 0.1)
    assert [allowed(ours) for _ in range(3)] == [True, True, False]
    clock.now = NOON - 0.3
    with pytest.raises(LimitedError) as refused:
        ours.spend("a")
    clock.now += refused.value.allowance.reset_s
    assert allowed(ours)


def test_a_small_step_back_does_not_lift_the_window_before():
    ours, clock = quota("4/minute", NOON + 50)
    assert [allowed(ours) for _ in range(5)] == [True] * 4 + [False]
    clock.now = NOON + 60.2
    assert [allowed(ours) for _ in range(2)] == [True, False]
    clock.now = NOON + 59.9
    assert not allowed(ours)


def test_threads_together_get_the_limit_and_no_more():
    ours, _ = quota("3000/minute")
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(lambda _: sum(allowed(ours) for _ in range(1_000)), range(8))) == 3_000
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize("limit", ["", "many", "0", "0/minute", "10/fortnight", "1/second;9/minute"])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(ConfigurationError, match="LIKEWISE_ACTOR_LIMIT"):
        quota(limit)
