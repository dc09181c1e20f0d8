"""How much an actor or a network may do: decided in this process, shared with the others a moment later.

What N processes allow in a window, at most: the limit, and at each process what reaches it within two sharing intervals
(one round tells of a use, the next hears of it) and the uses that are not told: one, or a hundredth of the limit. Over
a stretch that is no aligned window the sliding-window counter itself may allow up to twice the limit. See ADR 6.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from limits import RateLimitItem, parse_many

from service.errors import ConfigurationError, LikewiseError
from service.observability.metrics import RATE_LIMITED
from service.ratelimit.sliding_window import Use, Windows

MAX_KEYS = 100_000
SHARE_FROM = 2  # uses at a process; a viral post is a million actors with one like each: they must cost Redis nothing
SHARED_PART = 100  # nor must its thousands of networks, each far from its limit: a hundredth of that is told

lock = Lock()  # one for all quotas: several are spent in one step, of some microseconds


class Allowance(NamedTuple):
    """What is left: `remaining` of `limit` uses in `window_s` seconds, more of it in `reset_s` (whole, at least 1)."""

    name: str
    limit: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The RateLimit fields of the IETF draft."""
        return headers_of([self])


def headers_of(allowances: Iterable[Allowance]) -> dict[str, str]:
    """The RateLimit fields of several limits: each field is a list."""
    listed = list(allowances)
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.limit};w={one.window_s}' for one in listed),
        "RateLimit": ", ".join(f'"{one.name}";r={one.remaining};t={one.reset_s}' for one in listed),
    }


class LimitedError(LikewiseError):
    """A limit is used up for now; nothing was counted."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(
            f"The limit {allowance.name!r}, {allowance.limit} in {allowance.window_s} s, is used up; "
            f"try again in {allowance.reset_s} s."
        )
        self.allowance = allowance


class Quota:
    """One limit, by name, on each of many keys. `limit_text` is like `60/minute`; ConfigurationError names the setting.

    Keeps at most `max_keys` keys; one that is forgotten starts anew. `clock` gives seconds since 1970.
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
        item = _parsed(limit_text, setting_name)
        self.name, self.limit, self.window_s = name, item.amount, item.get_expiry()
        self.clock = clock
        self.windows = Windows(self.limit, self.window_s, max_keys=max_keys, share_from=share_from(self.limit))
        self.before_use: Callable[[], None] | None = None
        self.refusals = RATE_LIMITED.labels(name)

    def check(self, who: str) -> Allowance:
        """What `who` has left, spending nothing. Raises LimitedError where that is nothing."""
        with lock:
            now = self.clock()
            use = self.windows.look(who, now)
            used = self.windows.used(use, now)
            if used < self.limit:
                return self._allowance(use, now, used)
            refused = self._refused(who, use, now, used)
        raise _counted([(self, refused)])

    def spend(self, who: str) -> Allowance:
        """Count one use. Raises LimitedError, counting nothing, where none is left."""
        return spend_all(((self, who),))[0]

    def _spent(self, who: str, use: Use, now: float, used: int) -> Allowance:
        self.windows.count(who, use)
        return self._allowance(use, now, used + 1)

    def _refused(self, who: str, use: Use, now: float, used: int) -> LimitedError:
        self.windows.touch(who, use)
        return LimitedError(self._allowance(use, now, used))

    def _allowance(self, use: Use, now: float, used: int) -> Allowance:
        remaining = self.limit - used if used < self.limit else 0
        return Allowance(self.name, self.limit, self.window_s, remaining, self.windows.wait_s(use, now, used))


def share_from(limit: int) -> int:
    """From how many uses of a key in a window a process tells the others."""
    return min(limit, max(SHARE_FROM, limit // SHARED_PART))


def spend_all(asked: Sequence[tuple[Quota, str]]) -> list[Allowance]:
    """Count one use of each quota by its key, all or nothing; no pair twice.

    Raises LimitedError of the limit that is used up the longest; then nothing is counted.
    """
    for quota, _ in asked:
        if begin := quota.before_use:
            begin()
    looks, refused = [], []
    with lock:
        for quota, who in asked:
            now = quota.clock()
            use = quota.windows.look(who, now)
            used = quota.windows.used(use, now)
            looks.append((quota, who, use, now, used))
            if used >= quota.limit:
                refused.append((quota, quota._refused(who, use, now, used)))
        if not refused:
            return [quota._spent(who, use, now, used) for quota, who, use, now, used in looks]
    raise _counted(refused)


def _counted(refused: list[tuple[Quota, LimitedError]]) -> LimitedError:
    for quota, _ in refused:
        quota.refusals.inc()
    return max((error for _, error in refused), key=lambda error: error.allowance.reset_s)


def _parsed(limit_text: str, setting_name: str) -> RateLimitItem:
    try:
        [item] = parse_many(limit_text)
    except ValueError:  # also where it is more than one
        item = None
    if item is None or item.amount < 1:
        raise ConfigurationError(f"{setting_name} is {limit_text!r}; give a number and a time, like 30/minute")
    return item
