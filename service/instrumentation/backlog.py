"""How the streams of some shards stood when a flusher last looked at each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from service.core.queue import ShardStatus


@dataclass(frozen=True, slots=True)
class _Look:
    polled: ShardStatus
    at_s: float


@dataclass(slots=True)
class Backlog:
    """The last look at each shard. `clock` is monotonic, in seconds; times go on while a flusher waits for a server."""

    shards: Sequence[int]
    clock: Callable[[], float] = time.monotonic
    stored: int = 0  # likes and unlikes that this flusher has stored
    _looks: dict[int, _Look] = field(default_factory=dict)
    _silent: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def note(self, asked: Sequence[int], answers: Sequence[ShardStatus]) -> None:
        """Some shards were asked, and some of them answered."""
        now = self.clock()
        with self._lock:
            self._silent.update(asked)
            for one in answers:
                self._silent.discard(one.shard)
                self._looks[one.shard] = _Look(one, now)

    def acknowledged(self, shard: int, entries: int) -> None:
        """So many of a shard that was looked at are in Postgres now."""
        with self._lock:
            look = self._looks[shard]
            left = max(0, look.polled.length - entries)
            self._looks[shard] = replace(look, polled=replace(look.polled, length=left))

    def pending(self) -> int:
        """Likes and unlikes that are not in Postgres."""
        return sum(look.polled.length for look in self._all())

    def oldest_s(self) -> float:
        """The age of the oldest of them; 0 where there is none. At another's shards, as it was at the look."""
        now = self.clock()
        ages_s = [
            look.polled.oldest_s + (now - look.at_s if look.polled.held else 0.0)
            for look in self._all()
            if look.polled.length
        ]
        return max(ages_s, default=0.0)

    def dead(self) -> int:
        """Dead letters."""
        return sum(look.polled.dead for look in self._all())

    def queued_bytes(self) -> int:
        """What is pending at the fullest of the Redis nodes that answer."""
        return max((look.polled.queued_bytes for look in self._all() if not self.is_silent(look.polled)), default=0)

    def silent(self) -> int:
        """Shards that did not answer when they were last asked: their Redis node is away, or begins a new life."""
        return len(self._silent)

    def is_silent(self, one: ShardStatus) -> bool:
        """Whether the shard did not answer since."""
        return one.shard in self._silent

    def held(self) -> list[int]:
        """Shards that this flusher had the lease of."""
        return [look.polled.shard for look in self._all() if look.polled.held]

    def counter_us(self, shard: int) -> float:
        """The time now by the clock that gave the shard's versions, in µs since 1970."""
        look = self._looks.get(shard)
        return look.polled.now_us + (self.clock() - look.at_s) * 1e6 if look else time.time() * 1e6

    def _all(self) -> list[_Look]:
        with self._lock:
            return list(self._looks.values())
