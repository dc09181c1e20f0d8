"""The monitor of a process' flushers: their instrumented ports, their metrics, and their liveness."""

import time
from dataclasses import dataclass, field

from service.core.queue import BatchStore, Queue
from service.instrumentation.backlog import Backlog
from service.instrumentation.flusher_metrics import FlusherMetrics
from service.instrumentation.instrumented import InstrumentedQueue, InstrumentedStore
from service.settings import Settings

# Each wait for a server has a shorter limit, so a round that takes this long will not end.
STUCK_S = 30.0


@dataclass(slots=True)
class FlusherMonitor:
    """Instruments flushers. Each is labeled with its shards."""

    metrics: FlusherMetrics
    _queues: list[InstrumentedQueue] = field(default_factory=list)

    @classmethod
    def with_settings(cls, settings: Settings) -> "FlusherMonitor":
        """Return a monitor of no flusher yet."""
        return cls(FlusherMetrics(settings.queue_bytes))

    def instrument(self, label: str, queue: Queue, store: BatchStore) -> tuple[InstrumentedQueue, InstrumentedStore]:
        """Return the ports of a flusher, instrumented."""
        backlog = Backlog(queue.shards)
        self.metrics.observe_backlog(label, backlog)
        instrumented = InstrumentedQueue(queue, backlog)
        self._queues.append(instrumented)
        return instrumented, InstrumentedStore(store, backlog, self.metrics, label)

    def backlogs(self) -> list[Backlog]:
        """Return the backlog of each flusher."""
        return [queue.backlog for queue in self._queues]

    def leased_shards(self) -> list[int]:
        """Return the shards that these flushers have leased."""
        return [shard for queue in self._queues for shard in queue.backlog.leased_shards()]

    def is_live(self) -> bool:
        """Return whether every flusher began a round lately."""
        return all(time.monotonic() - queue.polled_at_s < STUCK_S for queue in self._queues)
