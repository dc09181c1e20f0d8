"""What watches the flushers of a process: their observed ports, their metrics, and whether they go on."""

import time
from dataclasses import dataclass, field

from service.core.queue import BatchStore, Queue
from service.instrumentation.backlog import Backlog
from service.instrumentation.flusher_metrics import FlusherMetrics
from service.instrumentation.instrumented import InstrumentedQueue, InstrumentedStore
from service.settings import Settings

STUCK_S = 30.0  # each wait for a server has a limit; a round that takes so long will not end


@dataclass(slots=True)
class FlusherMonitor:
    """Observes flushers, each by the name of its shards."""

    metrics: FlusherMetrics
    _queues: list[InstrumentedQueue] = field(default_factory=list)

    @classmethod
    def with_settings(cls, settings: Settings) -> "FlusherMonitor":
        """A watch of no flusher yet."""
        return cls(FlusherMetrics(settings.queue_bytes))

    def observe(self, label: str, queue: Queue, store: BatchStore) -> tuple[InstrumentedQueue, InstrumentedStore]:
        """The ports, observed."""
        backlog = Backlog(queue.shards)
        self.metrics.show(label, backlog)
        observed = InstrumentedQueue(queue, backlog)
        self._queues.append(observed)
        return observed, InstrumentedStore(store, backlog, self.metrics, label)

    def backlogs(self) -> list[Backlog]:
        """How the shards of each of them stand."""
        return [queue.backlog for queue in self._queues]

    def held(self) -> list[int]:
        """Shards that these flushers have the lease of."""
        return [shard for queue in self._queues for shard in queue.backlog.held()]

    def is_live(self) -> bool:
        """Whether the rounds of every flusher go on."""
        return all(time.monotonic() - queue.beat_s < STUCK_S for queue in self._queues)
