"""A limiter decides as the library's sliding-window counter does, in bounded memory, even if the clock jumps."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.errors import ConfigurationError
from service.observability.metrics import RATE_LIMITED
from service.ratelimit.limiter import RateLimiter, RateLimitExceededError, headers_of, hit_all
from tests.support.ratelimit_pods import NOON, Clock, is_allowed

STEPS = st.one_of(st.sampled_from([0.0, 0.001, 1.0, 30.0, 59.999, 60.0, 120.0]), st.floats(0, 150))
HITS = st.lists(st.tuples(STEPS, st.sampled_from("aab")), min_size=1, max_size=60)


class NoTimer:
    """Replaces the timer of the library, which would expire counts between two lines of a test."""

    def __init__(self, *_):
        pass

    def start(self):
        pass

    def is_alive(self):
        return True


def limiter(limit="3/minute", now=NOON, **options):
    clock = Clock(now)
    return RateLimiter("likes-of-an-actor", limit, "LIKEWISE_ACTOR_LIMIT", clock=clock, **options), clock


@given(limit=st.integers(1, 12), began=st.floats(NOON, NOON + 60), hits=HITS)
def test_the_limiter_decides_like_the_library(limit, began, hits):
    ours, clock = limiter(f"{limit}/minute", began)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("limits.storage.memory.time", clock)
        patched.setattr("limits.storage.memory.threading", SimpleNamespace(Timer=NoTimer, RLock=threading.RLock))
        patched.setattr("limits.strategies.time", clock)
        item, library = parse(f"{limit}/minute"), SlidingWindowCounterRateLimiter(MemoryStorage())
        for step, key in hits:
            clock.now += step
            expected = library.hit(item, key)
            assert is_allowed(ours, key) == expected
            if library.test(item, key):
                assert ours.test(key).remaining == library.get_window_stats(item, key).remaining


@given(limit=st.integers(1, 100), began=st.floats(NOON, NOON + 60), hits=HITS)
def test_the_stated_wait_is_sufficient_and_necessary(limit, began, hits):
    ours, clock = limiter(f"{limit}/minute", began)
    for step, _ in hits:
        clock.now += step
        while is_allowed(ours):
            pass
        refused_at = clock.now
        with pytest.raises(RateLimitExceededError) as refused:
            ours.test("a")
        wait_s = refused.value.stats.reset_s
        assert 1 <= wait_s <= 61
        clock.now = max(refused_at, refused_at + wait_s - 1.001)
        with pytest.raises(RateLimitExceededError):
            ours.test("a")
        clock.now = refused_at + wait_s
        assert ours.test("a").remaining >= 1


def test_the_statistics_and_the_reset_time():
    ours, clock = limiter("2/minute", NOON + 20)
    first, second = ours.hit("a"), ours.hit("a")
    assert first == ("likes-of-an-actor", 2, 60, 1, 41)
    assert first.headers() == {
        "RateLimit-Policy": '"likes-of-an-actor";q=2;w=60',
        "RateLimit": '"likes-of-an-actor";r=1;t=41',
    }
    assert headers_of([first, second])["RateLimit"] == '"likes-of-an-actor";r=1;t=41, "likes-of-an-actor";r=0;t=41'
    before = RATE_LIMITED.labels("likes-of-an-actor")._value.get()
    for refusing in (ours.test, ours.hit):
        with pytest.raises(
            RateLimitExceededError, match=r"'likes-of-an-actor' of 2 in 60 s is exceeded\. Try again in 41 s"
        ):
            refusing("a")
    assert RATE_LIMITED.labels("likes-of-an-actor")._value.get() == before + 2
    assert ours.test("b").remaining == 2
    clock.now = NOON + 61
    # Refused hits did not count.
    assert ours.hit("a").remaining == 0


def test_several_limiters_count_a_hit_or_none_does():
    (actor, clock), (network, _) = limiter("1/minute"), limiter("2/hour")
    assert [left.remaining for left in hit_all([(actor, "a"), (network, "n")], with_stats=True)] == [0, 1]
    clock.now += 30
    with pytest.raises(RateLimitExceededError) as refused:
        hit_all([(network, "n"), (actor, "a")])
    assert refused.value.stats.limit == 1
    assert network.test("n").remaining == 1
    network.hit("n")
    with pytest.raises(RateLimitExceededError) as refused:
        hit_all([(actor, "a"), (network, "n")])
    # The limit that lasts longest is reported.
    assert refused.value.stats.limit == 2


def test_memory_is_bounded_and_the_least_recently_touched_key_is_evicted():
    ours, _ = limiter("2/minute", max_keys=3)
    for key in ("a", "b", "c", "a", "a?", "d"):
        is_allowed(ours, key)
    assert len(ours.window) == 3
    assert [ours.test(key).remaining for key in ("b", "c", "a?", "d")] == [2, 2, 1, 1]
    # A refused hit also touches the key.
    assert not is_allowed(ours, "a")
    ours.hit("e")
    assert not is_allowed(ours, "a")


def test_evicted_keys_are_not_exchanged():
    ours, _ = limiter("9/minute", max_keys=2)
    for key in ("a", "a", "b", "b", "c", "c"):
        ours.hit(key)
    assert ours.window.take_pending() == ["b", "c"]
    ours.hit("d")
    ours.window.requeue(["b", "c"])
    assert ours.window.take_pending() == ["c"]


@given(st.lists(st.one_of(STEPS, st.floats(-1e6, 1e6), st.floats(-2, 2)), max_size=40))
def test_a_clock_that_jumps_breaks_nothing(jumps):
    ours, clock = limiter()
    for jump in jumps:
        clock.now += jump
        if is_allowed(ours):
            assert 0 <= ours.window.used(ours.window.get("a", clock.now), clock.now) <= 3
    clock.now += 121
    assert ours.test("a").remaining == 3
    assert ours.hit("a").reset_s >= 1


def test_a_small_step_back_of_the_clock_allows_no_more_hits():
    ours, clock = limiter("2/minute", NOON + 0.1)
    assert [is_allowed(ours) for _ in range(3)] == [True, True, False]
    clock.now = NOON - 0.3
    with pytest.raises(RateLimitExceededError) as refused:
        ours.hit("a")
    clock.now += refused.value.stats.reset_s
    assert is_allowed(ours)


def test_a_small_step_back_of_the_clock_keeps_the_previous_window():
    ours, clock = limiter("4/minute", NOON + 50)
    assert [is_allowed(ours) for _ in range(5)] == [True] * 4 + [False]
    clock.now = NOON + 60.2
    assert [is_allowed(ours) for _ in range(2)] == [True, False]
    clock.now = NOON + 59.9
    assert not is_allowed(ours)


@pytest.mark.parametrize("limit", ["", "many", "0", "0/minute", "10/fortnight", "1/second;9/minute"])
def test_the_error_names_an_invalid_limit(limit):
    with pytest.raises(ConfigurationError, match="LIKEWISE_ACTOR_LIMIT"):
        limiter(limit)
