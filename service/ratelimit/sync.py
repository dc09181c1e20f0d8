"""Exchange counts of hits between processes, in the background, so that no request waits for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from service.observability.metrics import RATE_LIMIT_SYNC_FAILURES
from service.periodic_task import PeriodicTask
from service.ratelimit.limiter import RateLimiter

# Keys in one exchange. It takes some milliseconds of this process; then other work gets its turn.
BATCH = 256
CLOSE_S = 1.0
# The first round after the end of a window publishes its last hits, the next one reads them.
ROUNDS_UNTIL_ACKNOWLEDGED = 2

log = structlog.get_logger(__name__)


class PeerCounts(NamedTuple):
    """The other processes' sum of each exchanged counter, and the reason why the others were not exchanged."""

    others: Mapping[str, int]
    error: str = ""


class PeerStore(Protocol):
    """The place where processes publish their counts for each other."""

    def exchange(self, counts: Mapping[str, int], ttl_s: int) -> PeerCounts:
        """Publish this process' own count of each counter for `ttl_s` seconds, and return the sums of all others'.

        It sets counts and does not add to them, so publishing a count again does not count it twice. Raises nothing.
        """


class PeerSync:
    """Exchanges the limiters' counts every `every_s` seconds, from `start` until `close`.

    While the store is unavailable, each process decides by its own counts. This is logged once and counted each round.
    """

    def __init__(self, limiters: Sequence[RateLimiter], store: PeerStore, every_s: float) -> None:
        self._limiters = limiters
        self._store = store
        self._every_s = every_s
        self._is_failing = False
        self.task = PeriodicTask("rate-limit-sync", self.exchange, every_s=every_s, first_s=every_s, close_s=CLOSE_S)

    def start(self) -> None:
        """Start the exchange, in the process that serves. Further calls, and calls after `close`, do nothing."""
        self.task.start()

    def close(self) -> None:
        """Stop after the exchange under way, waiting CLOSE_S seconds at most. Later hits stay unpublished."""
        self.task.close()

    def exchange(self) -> None:
        """Exchange the counts of keys that were touched since the last round. Raises nothing."""
        results = [result for limiter in self._limiters for result in self._exchange_limiter(limiter)]
        if results:
            self._report(next((result.error for result in results if result.error), ""))

    def _exchange_limiter(self, limiter: RateLimiter) -> Iterator[PeerCounts]:
        pending = limiter.window.take_pending()
        while pending:
            batch, pending = pending[:BATCH], pending[BATCH:]
            result = self._exchange_batch(limiter, batch)
            yield result
            if result.error and not result.others:
                # Nothing answers. The rest need not wait for the same timeout.
                limiter.window.requeue(pending)
                return

    def _exchange_batch(self, limiter: RateLimiter, batch: list[str]) -> PeerCounts:
        acknowledged_until = limiter.clock() - ROUNDS_UNTIL_ACKNOWLEDGED * self._every_s
        updates = {f"{limiter.name}:{one.window}:{one.key}": one for one in limiter.window.pending_updates(batch)}
        result = self._ask_store({name: one.hits for name, one in updates.items()}, 2 * limiter.window_s)
        for name, update in updates.items():
            if name in result.others:
                limiter.window.merge(update, result.others[name], acknowledged_until)
        limiter.window.requeue(one.key for name, one in updates.items() if name not in result.others)
        return result

    def _ask_store(self, counts: Mapping[str, int], ttl_s: int) -> PeerCounts:
        try:
            return self._store.exchange(counts, ttl_s)
        except Exception as error:
            # The batch is requeued after any error.
            log.exception("rate limits not synchronized")
            return PeerCounts({}, repr(error))

    def _report(self, error: str) -> None:
        if error:
            RATE_LIMIT_SYNC_FAILURES.inc()
        if error and not self._is_failing:
            log.warning("rate limits not synchronized: each process decides by its own counts", reason=error)
        elif self._is_failing and not error:
            log.info("rate limits synchronized again")
        self._is_failing = bool(error)
