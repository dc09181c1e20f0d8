"""Count hits of many keys in a sliding window and in bounded memory. Pure: no clock, no lock, no I/O.

The estimate is that of `limits.strategies.SlidingWindowCounterRateLimiter`: hits of the previous window count by the
share of that window which is still within reach. Windows begin at multiples of their length since 1970, so that
processes agree on them without coordination.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

# If the clock is set back by less than this, its time stands still. If by more, its keys start again.
MAX_CLOCK_STEP_BACK_S = 1.0
# A key is exchanged in this many rounds after a hit. In the first round, some peers may not have published theirs yet.
SYNC_ROUNDS = 2
# Larger than the rounding error of seconds since 1970 in a double.
_ROUNDING_S = 1e-6


@dataclass(slots=True)
class WindowCounts:
    """Hits of a key in window number `window` and in the previous one: in this process and in the others.

    `acknowledged` is True once the counts of the previous window can change no more.
    """

    window: int
    here: int = 0
    others: int = 0
    here_before: int = 0
    others_before: int = 0
    acknowledged: bool = False


class CountUpdate(NamedTuple):
    """Hits of a key in one window in this process, to be published to the others."""

    key: str
    window: int
    hits: int


class SlidingWindow:
    """The counts of at most `max_keys` keys. The least recently touched key is evicted first. It has no lock."""

    def __init__(self, limit: int, window_s: int, *, max_keys: int, sync_threshold: int) -> None:
        self._limit = limit
        self._window_s = window_s
        self._max_keys = max_keys
        self._sync_threshold = sync_threshold
        self._counts: OrderedDict[str, WindowCounts] = OrderedDict()
        self._pending: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def get(self, key: str, now: float) -> WindowCounts:
        """Return the key's counts at `now` (seconds since 1970). New ones are kept once counted or touched."""
        window = int(now / self._window_s)
        counts = self._counts.get(key)
        if counts is None:
            return WindowCounts(window)
        if counts.window != window:
            self._move(counts, window, now)
        return counts

    def _move(self, counts: WindowCounts, window: int, now: float) -> None:
        if window == counts.window + 1:
            counts.here_before, counts.others_before = counts.here, counts.others
        elif window > counts.window or counts.window * self._window_s - now > MAX_CLOCK_STEP_BACK_S:
            counts.here_before = counts.others_before = 0
        else:
            return
        counts.window, counts.here, counts.others, counts.acknowledged = window, 0, 0, False

    def used(self, counts: WindowCounts, now: float) -> int:
        """Return the number of hits that count against the limit.

        The arithmetic follows the `limits` library step by step, so that both round alike.
        """
        current = counts.here + counts.others
        before = counts.here_before + counts.others_before
        if not before:
            return current
        length = self._window_s
        if now < counts.window * length:
            # The clock was set back a little: time stands still.
            now = counts.window * length
        within_reach = (1 - (((now - length) / length) % 1)) * length
        return floor(before * within_reach / length + current)

    def wait_s(self, counts: WindowCounts, now: float, used: int) -> int:
        """Return the whole seconds, at least 1, until fewer than `used` hits count, and fewer than the limit.

        Assumes that there are no further hits.
        """
        below = used if used < self._limit else self._limit
        current = counts.here + counts.others
        if not below:
            return 1
        if current < below:
            windows = 1 - (below - current) / (counts.here_before + counts.others_before)
        else:
            # It happens in the next window, where `current` is the count of the previous one.
            windows = 2 - below / current
        wait_s = int((counts.window + windows) * self._window_s - now + _ROUNDING_S) + 1
        return wait_s if wait_s > 1 else 1

    def count(self, key: str, counts: WindowCounts) -> None:
        """Count one hit of the key in this process."""
        counts.here += 1
        self.touch(key, counts)

    def touch(self, key: str, counts: WindowCounts) -> None:
        """Keep the key as the most recent one. Mark it for the next exchange if it has reached the sync threshold."""
        kept = self._counts
        kept[key] = counts
        kept.move_to_end(key)
        if counts.here >= self._sync_threshold or counts.here_before >= self._sync_threshold:
            self._pending[key] = SYNC_ROUNDS
        if len(kept) > self._max_keys:
            evicted, _ = kept.popitem(last=False)
            self._pending.pop(evicted, None)

    def take_pending(self) -> list[str]:
        """Return the keys to exchange in this round, and use up one round of each."""
        pending, self._pending = self._pending, {}
        self._pending |= {key: rounds - 1 for key, rounds in pending.items() if rounds > 1}
        return list(pending)

    def requeue(self, keys: Iterable[str]) -> None:
        """Mark keys for the next exchange, because this one failed."""
        self._pending.update((key, SYNC_ROUNDS) for key in keys if key in self._counts)

    def pending_updates(self, keys: Iterable[str]) -> Iterator[CountUpdate]:
        """Yield this process' hits of the keys in the current window and, until it is acknowledged, in the previous."""
        for key in keys:
            if counts := self._counts.get(key):
                yield CountUpdate(key, counts.window, counts.here)
                if not counts.acknowledged:
                    yield CountUpdate(key, counts.window - 1, counts.here_before)

    def merge(self, update: CountUpdate, others: int, acknowledged_until: float) -> None:
        """Take over the other processes' hits in a window. They never decrease, as Redis may have lost some.

        A window that ended before `acknowledged_until` (seconds since 1970) is not exchanged again.
        """
        counts = self._counts.get(update.key)
        if counts and counts.window == update.window:
            counts.others = max(counts.others, others)
        elif counts and counts.window == update.window + 1:
            counts.others_before = max(counts.others_before, others)
            counts.acknowledged = counts.window * self._window_s <= acknowledged_until
