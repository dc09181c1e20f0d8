"""How many new visitors a network may have. Without it one machine is as many people as it likes."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from service.errors import ConfigurationError, LikewiseError

MAX_NETWORKS = 50_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a network has left: `remaining` of `limit` new visitors in `window_s`, anew in `reset_s`."""

    limit: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The RateLimit fields of the IETF draft."""
        return {
            "RateLimit-Policy": f'"new-visitors";q={self.limit};w={self.window_s}',
            "RateLimit": f'"new-visitors";r={self.remaining};t={self.reset_s}',
        }


class TooManyVisitorsError(LikewiseError):
    """This network has had its new visitors for now; who liked before goes on with the token they have."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self.allowance = allowance


class BoundedStorage(Storage):
    """Counters of `limits` in this process; the longest untouched network goes first.

    The library's own memory store has no bound, and starts a thread for nearly every hit.
    """

    def __init__(self, max_networks: int = MAX_NETWORKS) -> None:
        super().__init__()
        self._max_networks = max_networks
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    base_exceptions = ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` and answer the sum; a window begins with its first hit."""
        with self._lock:
            count, ends = self._windows.pop(key, (0, 0.0))
            now = time.time()
            if ends <= now:
                count, ends = 0, now + expiry
            self._windows[key] = (count + amount, ends)
            if len(self._windows) > self._max_networks:
                self._windows.popitem(last=False)
            return count + amount

    def get(self, key: str) -> int:
        """The sum in the current window."""
        count, ends = self._windows.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """When the current window ends, in seconds since 1970."""
        return self._windows.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        """Memory always answers."""
        return True

    def reset(self) -> int:
        """Forget every network, and say how many there were."""
        forgotten = len(self._windows)
        self._windows.clear()
        return forgotten

    def clear(self, key: str) -> None:
        """Forget one network."""
        self._windows.pop(key, None)


class MintLimit:
    """The limit of this process on new visitors for each network."""

    def __init__(self, limit: str, max_networks: int = MAX_NETWORKS) -> None:
        self._item = _parsed(limit)
        self._limiter = FixedWindowRateLimiter(BoundedStorage(max_networks))

    def spend(self, network: str) -> Allowance:
        """Take one of the network's new visitors, or raise TooManyVisitorsError."""
        allowed = self._limiter.hit(self._item, network)
        allowance = self._allowance(network)
        if not allowed:
            raise TooManyVisitorsError(allowance)
        return allowance

    def _allowance(self, network: str) -> Allowance:
        stats = self._limiter.get_window_stats(self._item, network)
        reset_s = max(1, round(stats.reset_time - time.time()))
        return Allowance(self._item.amount, self._item.get_expiry(), stats.remaining, reset_s)


def _parsed(limit: str) -> RateLimitItem:
    try:
        return parse(limit)
    except ValueError:
        raise ConfigurationError(
            f"LIKEWISE_MINT_LIMIT is {limit!r}; give a number and a time, like 30/minute"
        ) from None
