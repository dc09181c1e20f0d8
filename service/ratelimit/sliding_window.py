"""A sliding-window counter of many keys in bounded memory: what each used here, and elsewhere as last heard. Pure.

Decides as `limits.strategies.SlidingWindowCounterRateLimiter` does: the window before counts by the share of it that is
still within reach. Windows begin at multiples of their length since 1970, so processes agree on them without asking.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

STEP_BACK_S = 1.0  # a clock that is set back by less stands still; by more, its keys start over
ROUNDS = 2  # that a touched key is told of: in the first one, some of the others may not have told theirs yet
_ROUNDING_S = 1e-6  # above what a double loses of the seconds since 1970


@dataclass(slots=True)
class Use:
    """How often a key was used in `window` and in the one before; `settled` once the one before can change no more."""

    window: int
    here: int = 0
    others: int = 0
    here_before: int = 0
    others_before: int = 0
    acknowledged: bool = False


class Told(NamedTuple):
    """The uses of a key here in one window, as the other processes are told them."""

    who: str
    window: int
    uses: int


class Windows:
    """The uses of at most `max_keys` keys; the longest untouched is forgotten first. Its owner locks it."""

    def __init__(self, limit: int, window_s: int, *, max_keys: int, share_from: int) -> None:
        self._limit = limit
        self._window_s = window_s
        self._max_keys = max_keys
        self._share_from = share_from
        self._uses: OrderedDict[str, Use] = OrderedDict()
        self._touched: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._uses)

    def look(self, who: str, now: float) -> Use:
        """The key's use as of `now` (seconds since 1970); a new one is kept only once it is counted or touched."""
        window = int(now / self._window_s)
        use = self._uses.get(who)
        if use is None:
            return Use(window)
        if use.window != window:
            self._move(use, window, now)
        return use

    def _move(self, use: Use, window: int, now: float) -> None:
        if window == use.window + 1:
            use.here_before, use.others_before = use.here, use.others
        elif window > use.window or use.window * self._window_s - now > STEP_BACK_S:
            use.here_before = use.others_before = 0
        else:
            return
        use.window, use.here, use.others, use.acknowledged = window, 0, 0, False

    def used(self, use: Use, now: float) -> int:
        """What counts against the limit; the arithmetic is the library's, so that both round alike."""
        current = use.here + use.others
        before = use.here_before + use.others_before
        if not before:
            return current
        length = self._window_s
        if now < use.window * length:  # a clock set back stands still
            now = use.window * length
        within_reach = (1 - (((now - length) / length) % 1)) * length
        return floor(before * within_reach / length + current)

    def wait_s(self, use: Use, now: float, used: int) -> int:
        """Whole seconds, at least 1, until less than `used` counts, or than the limit, if nobody uses any meanwhile."""
        below = used if used < self._limit else self._limit
        current = use.here + use.others
        if not below:
            return 1
        if current < below:
            windows = 1 - (below - current) / (use.here_before + use.others_before)
        else:
            windows = 2 - below / current  # not in this window: in the next, where `current` is what was before
        wait_s = int((use.window + windows) * self._window_s - now + _ROUNDING_S) + 1
        return wait_s if wait_s > 1 else 1

    def count(self, who: str, use: Use) -> None:
        """One use of the key, here."""
        use.here += 1
        self.touch(who, use)

    def touch(self, who: str, use: Use) -> None:
        """Keep the key, as the latest; and tell the others of it, where it is used often enough."""
        uses = self._uses
        uses[who] = use
        uses.move_to_end(who)
        if use.here >= self._share_from or use.here_before >= self._share_from:
            self._touched[who] = ROUNDS
        if len(uses) > self._max_keys:
            forgotten, _ = uses.popitem(last=False)
            self._touched.pop(forgotten, None)

    def take_touched(self) -> list[str]:
        """The keys to tell and hear of in this round."""
        touched = self._touched
        self._touched = {who: rounds - 1 for who, rounds in touched.items() if rounds > 1}
        return list(touched)

    def touch_again(self, whos: Iterable[str]) -> None:
        """Take the keys along the next time: they could not be told."""
        self._touched.update((who, ROUNDS) for who in whos if who in self._uses)

    def to_tell(self, whos: Iterable[str]) -> Iterator[Told]:
        """The uses of these keys here, in their window and, until that is settled, in the one before."""
        for who in whos:
            if use := self._uses.get(who):
                yield Told(who, use.window, use.here)
                if not use.acknowledged:
                    yield Told(who, use.window - 1, use.here_before)

    def hear(self, told: Told, others: int, settled_until: float) -> None:
        """The others' uses in a window: never less than before, as Redis may have lost some.

        A window that ended before `settled_until` (seconds since 1970) is asked for no more.
        """
        use = self._uses.get(told.who)
        if use and use.window == told.window:
            use.others = max(use.others, others)
        elif use and use.window == told.window + 1:
            use.others_before = max(use.others_before, others)
            use.acknowledged = use.window * self._window_s <= settled_until
