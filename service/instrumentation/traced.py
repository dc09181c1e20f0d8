"""Tracing of a like: through Redis, in its stream entry to the flusher, and into a transaction of Postgres."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from service.core.likes import LikeCounter, LikeRequest, LikeState
from service.core.queue import Batch, BatchStore, CommitResult, Entry, FencedError
from service.observability.tracing import Tracing, current_span, parent_of, traceparent_of
from service.settings import Ack

# Links per transaction. With a high trace ratio, the links of a large transaction would dwarf its span.
MAX_LINKS = 100


@dataclass(frozen=True, slots=True)
class TracedCounter:
    """A counter whose calls have spans; see `service.core.likes.LikeCounter`. A traced request carries its trace."""

    counter: LikeCounter
    tracing: Tracing

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        """Submit, with a span if the current request is traced."""
        if current_span() is None:
            return self.counter.submit(request, ack)
        with self.tracing.span("redis like", SpanKind.CLIENT, {"likewise.post": request.post}) as span:
            state = self.counter.submit(request._replace(trace=traceparent_of(span.get_span_context())), ack)
            span.set_attribute("likewise.changed", state.changed)
            return state

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        """Return the states, with a span if the current request is traced."""
        if current_span() is None:
            return self.counter.states(posts, actor)
        with self.tracing.span("redis like states", SpanKind.CLIENT, {"likewise.posts": len(posts)}):
            return self.counter.states(posts, actor)

    def invalidate(self, post: str) -> None:
        """Pass the call on."""
        self.counter.invalidate(post)


@dataclass(frozen=True, slots=True)
class TracedStore:
    """A store that traces transactions with traced likes; see `service.core.queue.BatchStore`.

    The transaction has its own trace. Each traced like has a span in its own trace, linked to the transaction.
    """

    store: BatchStore
    tracing: Tracing

    def database_of(self, shard: int) -> int:
        """Pass the call on."""
        return self.store.database_of(shard)

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Commit, and record spans if any stored like is traced."""
        began_ns = time.time_ns()
        outcomes = self.store.commit(batches)
        stored = [batch for batch, outcome in zip(batches, outcomes, strict=True) if isinstance(outcome, CommitResult)]
        traced = [(batch.shard, entry) for batch in stored for entry in batch.entries if entry.trace]
        if traced:
            self._record_spans(stored, traced[:MAX_LINKS], (began_ns, time.time_ns()))
        return outcomes

    def _record_spans(self, stored: list[Batch], traced: list[tuple[int, Entry]], times_ns: tuple[int, int]) -> None:
        likes = [(shard, entry, parent) for shard, entry in traced if (parent := parent_of(entry.trace))]
        sizes = {"likewise.shards": len(stored), "likewise.likes": sum(len(batch.entries) for batch in stored)}
        flush = self.tracing.past_span("postgres commit", sizes, times_ns, links=[parent for *_, parent in likes])
        for shard, entry, parent in likes:
            attributes: dict[str, str | int] = {
                "likewise.post": entry.post,
                "likewise.shard": shard,
                "likewise.version": entry.version,
            }
            waited_ns = (min(entry.version * 1_000, times_ns[1]), times_ns[1])
            self.tracing.past_span("queued, then stored", attributes, waited_ns, parent=parent, links=[flush])
