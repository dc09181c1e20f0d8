"""A queue for flushers that work on the same shards at the same time."""

import random
import threading
from collections.abc import Sequence
from dataclasses import replace

from service.bootstrap.stores import Stores
from service.core.queue import Batch, CommitResult, ShardStatus


class LeaselessQueue:
    """A queue that claims every lease, and waits a random time between commit and acknowledgement."""

    def __init__(self, stores: Stores, seed: int) -> None:
        self._queue = stores.queue
        self._chance = random.Random(seed)
        self.read, self.read_through, self.dead_letter = (
            stores.queue.read,
            stores.queue.read_through,
            stores.queue.dead_letter,
        )
        self.end_epoch, self.shards = stores.queue.end_epoch, stores.queue.shards

    def poll(self, owner: str, lease_ms: int, shards: Sequence[int] | None = None) -> list[ShardStatus]:
        return [replace(status, leased=True) for status in self._queue.poll(owner, lease_ms, shards)]

    def acknowledge(self, committed: Sequence[tuple[Batch, CommitResult]]) -> list[bool]:
        acknowledged = []
        for one in committed:
            # The other flusher runs in between.
            threading.Event().wait(self._chance.random() / 200)
            acknowledged += self._queue.acknowledge([one])
        return acknowledged
