"""The backlog of a flusher's shards, as it was when each was last polled."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from service.core.queue import ShardStatus


@dataclass(frozen=True, slots=True)
class _Poll:
    status: ShardStatus
    at_s: float


@dataclass(slots=True)
class Backlog:
    """The last status of each shard.

    `clock` is monotonic, in seconds. Ages keep growing while a flusher waits for a server.
    `stored` is the number of likes and unlikes that this flusher has stored.
    """

    shards: Sequence[int]
    clock: Callable[[], float] = time.monotonic
    stored: int = 0
    _polls: dict[int, _Poll] = field(default_factory=dict)
    _unreachable: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def record_poll(self, polled: Sequence[int], statuses: Sequence[ShardStatus]) -> None:
        """Record that the shards `polled` were polled, and that those in `statuses` answered."""
        now = self.clock()
        with self._lock:
            self._unreachable.update(polled)
            for status in statuses:
                self._unreachable.discard(status.shard)
                self._polls[status.shard] = _Poll(status, now)

    def record_acknowledged(self, shard: int, entries: int) -> None:
        """Record that entries of a polled shard are in Postgres now."""
        with self._lock:
            poll = self._polls[shard]
            left = max(0, poll.status.length - entries)
            self._polls[shard] = replace(poll, status=replace(poll.status, length=left))

    def pending(self) -> int:
        """Return the number of likes and unlikes that are not in Postgres."""
        return sum(poll.status.length for poll in self._all())

    def oldest_s(self) -> float:
        """Return the age of the oldest pending like, 0 if there is none.

        In a shard that another flusher leases, it is the age at the last poll.
        """
        now = self.clock()
        ages_s = [
            poll.status.oldest_s + (now - poll.at_s if poll.status.leased else 0.0)
            for poll in self._all()
            if poll.status.length
        ]
        return max(ages_s, default=0.0)

    def dead_letters(self) -> int:
        """Return the number of dead letters."""
        return sum(poll.status.dead_letters for poll in self._all())

    def queued_bytes(self) -> int:
        """Return the size of the streams on the fullest Redis node that answers."""
        sizes = (poll.status.queued_bytes for poll in self._all() if poll.status.shard not in self._unreachable)
        return max(sizes, default=0)

    def unreachable_shards(self) -> int:
        """Return the number of shards that did not answer the last poll.

        Their Redis node does not answer, or starts a new epoch.
        """
        return len(self._unreachable)

    def leased_shards(self) -> list[int]:
        """Return the shards that this flusher leased at the last poll."""
        return [poll.status.shard for poll in self._all() if poll.status.leased]

    def redis_time_us(self, shard: int) -> float:
        """Return the current time of the clock that assigns the shard's versions, in µs since 1970."""
        poll = self._polls.get(shard)
        return poll.status.now_us + (self.clock() - poll.at_s) * 1e6 if poll else time.time() * 1e6

    def _all(self) -> list[_Poll]:
        with self._lock:
            return list(self._polls.values())
