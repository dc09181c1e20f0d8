"""Decide in this process whether a hit is allowed. `service.ratelimit.sync` brings the counts of other processes.

There are no locks: nothing here waits, so under gevent no other request comes in between.

N processes together allow the limit in a window, plus an overshoot at each process: the hits that reach it within two
sync intervals (one to publish a hit, one to read it), and the hits below the sync threshold, which are never published.
Over a stretch that is not aligned to a window, the sliding-window counter itself may allow twice the limit. See ADR 6.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from limits import RateLimitItem, parse_many

from service.errors import ConfigurationError, LikewiseError
from service.observability.metrics import RATE_LIMITED
from service.ratelimit.sliding_window import SlidingWindow, WindowCounts

MAX_KEYS = 100_000
# A viral post has a million actors with one hit each, and thousands of networks far from their limit. Neither may cost
# Redis anything, so a process publishes a key only from two hits on, and from a hundredth of the limit on.
MIN_SYNC_HITS = 2
SYNC_FRACTION = 100

# The counts of a key, the time in seconds since 1970, and the number of hits that count against the limit. A plain
# tuple, because each like makes two of them.
Use = tuple[WindowCounts, float, int]


class WindowStats(NamedTuple):
    """What is left of a limit: `remaining` of `limit` hits in `window_s` seconds, more of them in `reset_s` seconds.

    `reset_s` is a whole number, at least 1.
    """

    name: str
    limit: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the RateLimit fields of the IETF draft."""
        return headers_of([self])


def headers_of(stats: Iterable[WindowStats]) -> dict[str, str]:
    """Return the RateLimit fields of several limits. Each field is a list."""
    listed = list(stats)
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.limit};w={one.window_s}' for one in listed),
        "RateLimit": ", ".join(f'"{one.name}";r={one.remaining};t={one.reset_s}' for one in listed),
    }


class RateLimitExceededError(LikewiseError):
    """A rate limit is exceeded. Nothing was counted."""

    def __init__(self, stats: WindowStats) -> None:
        super().__init__(
            f"The rate limit {stats.name!r} of {stats.limit} in {stats.window_s} s is exceeded. "
            f"Try again in {stats.reset_s} s."
        )
        self.stats = stats


class RateLimiter:
    """One named limit, applied to each of many keys.

    `limit_text` is like `60/minute`; ConfigurationError names the setting if it is not. At most `max_keys` keys are
    kept, and a key that was evicted starts again at zero. `clock` returns seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        limit_text: str,
        setting_name: str,
        *,
        clock: Callable[[], float] = time.time,
        max_keys: int = MAX_KEYS,
    ) -> None:
        item = _parse_limit(limit_text, setting_name)
        self.name, self.limit, self.window_s = name, item.amount, item.get_expiry()
        self.clock = clock
        self.window = SlidingWindow(
            self.limit, self.window_s, max_keys=max_keys, sync_threshold=sync_threshold(self.limit)
        )
        self.refusals = RATE_LIMITED.labels(name)

    def test(self, key: str) -> WindowStats:
        """Return what the key has left, counting nothing. Raise RateLimitExceededError if nothing is left."""
        use = self.look_up(key)
        _, _, used = use
        if used < self.limit:
            return self._stats(use)
        raise _longest([(self, key, use)])

    def hit(self, key: str) -> WindowStats:
        """Count one hit and return what is left. Raise RateLimitExceededError, counting nothing, if none was left."""
        return hit_all(((self, key),), with_stats=True)[0]

    def look_up(self, key: str) -> Use:
        """Return the use of a key at this moment."""
        now = self.clock()
        counts = self.window.get(key, now)
        return counts, now, self.window.used(counts, now)

    def _exceeded(self, key: str, use: Use) -> RateLimitExceededError:
        counts, _, _ = use
        self.window.touch(key, counts)
        self.refusals.inc()
        return RateLimitExceededError(self._stats(use))

    def _stats(self, use: Use) -> WindowStats:
        counts, now, used = use
        remaining = self.limit - used if used < self.limit else 0
        return WindowStats(self.name, self.limit, self.window_s, remaining, self.window.wait_s(counts, now, used))


def sync_threshold(limit: int) -> int:
    """Return the number of hits of a key in a window from which a process publishes them."""
    return min(limit, max(MIN_SYNC_HITS, limit // SYNC_FRACTION))


def hit_all(hits: Sequence[tuple[RateLimiter, str]], *, with_stats: bool = False) -> list[WindowStats]:
    """Count one hit at each limiter for its key, or at none of them. No pair may occur twice.

    Return what is left at each if `with_stats`, else nothing: most likes need no statistics. If limits are exceeded,
    raise RateLimitExceededError for the one that lasts longest.
    """
    uses = [(limiter, key, limiter.look_up(key)) for limiter, key in hits]
    for limiter, _, (_, _, used) in uses:
        if used >= limiter.limit:
            raise _longest(uses)
    for limiter, key, (counts, _, _) in uses:
        limiter.window.count(key, counts)
    if not with_stats:
        return []
    return [limiter._stats((counts, now, used + 1)) for limiter, _, (counts, now, used) in uses]


def _longest(uses: list[tuple[RateLimiter, str, Use]]) -> RateLimitExceededError:
    """Return the error of the exceeded limit that lasts longest."""
    exceeded = [limiter._exceeded(key, use) for limiter, key, use in uses if use[2] >= limiter.limit]
    return max(exceeded, key=lambda error: error.stats.reset_s)


def _parse_limit(limit_text: str, setting_name: str) -> RateLimitItem:
    try:
        [item] = parse_many(limit_text)
    except ValueError:
        # Not a limit, or more than one.
        item = None
    if item is None or item.amount < 1:
        raise ConfigurationError(f"{setting_name} is {limit_text!r}. Give one number and a period, such as 30/minute.")
    return item
