"""OpenTelemetry traces, sent as OTLP over HTTP.

This module is imported only if LIKEWISE_TRACE_ENDPOINT is set. Create `Tracing` in the process that serves, because
the thread that sends spans does not survive a fork.
"""

import random
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from service.errors import ConfigurationError

Value = str | int | float | bool
_EXPORT_EVERY_MS = 1_000
# The end of a process waits this long for the last request to the collector.
_EXPORT_TIMEOUT_S = 2.0
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Tracing:
    """The traces of one process. `ratio` is the share of requests traced if no proxy decides.

    Raises ConfigurationError.
    """

    def __init__(self, service: str, endpoint: str, ratio: float) -> None:
        resource = Resource.create(
            {
                "service.name": service,
                "service.version": version("likewise"),
                "service.instance.id": socket.gethostname(),
            }
        )
        # `wants` decides before the first span, so a request that is not traced has no spans.
        self._provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=traces_url(endpoint), timeout=_EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS))
        self._tracer = self._provider.get_tracer("likewise")
        self._ratio = ratio

    def wants(self, parent: SpanContext | None) -> bool:
        """Return whether to trace a request: as its sender decided, else a random share of them."""
        # The random number protects no secret.
        return parent.trace_flags.sampled if parent else random.random() < self._ratio  # noqa: S311

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Value], parent: SpanContext | None = None
    ) -> Iterator[Span]:
        """Open a span, current in the block. Its parent is `parent`, or else the current span."""
        context = under(parent) if parent else None
        with self._tracer.start_as_current_span(name, context, kind, dict(attributes)) as span:
            yield span

    def past_span(
        self,
        name: str,
        attributes: Mapping[str, Value],
        times_ns: tuple[int, int],
        *,
        parent: SpanContext | None = None,
        links: Sequence[SpanContext] = (),
    ) -> SpanContext:
        """Record a span that has ended already, with times in ns since 1970.

        Without a parent it starts its own trace.
        """
        span = self._tracer.start_span(
            name,
            under(parent) if parent else Context(),
            SpanKind.CLIENT,
            dict(attributes),
            [Link(link) for link in links],
            times_ns[0],
        )
        span.end(max(times_ns))
        return span.get_span_context()

    def close(self) -> None:
        """Send the remaining spans, and end."""
        self._provider.shutdown()


def traces_url(endpoint: str) -> str:
    """Return the URL for spans: `endpoint`, with /v1/traces if it has no path. Raises ConfigurationError."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"LIKEWISE_TRACE_ENDPOINT is {endpoint!r}; give http://HOST:4318")
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def parent_of(traceparent: str) -> SpanContext | None:
    """Parse a W3C `traceparent` of version 00; return None for anything else."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))


def traceparent_of(context: SpanContext) -> str:
    """Format a context as a W3C `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def current_span() -> Span | None:
    """Return the span of the current request; None if it is not traced."""
    span = get_current_span()
    return span if span.is_recording() else None


def under(parent: SpanContext) -> Context:
    """Return a context whose spans are children of `parent`."""
    return set_span_in_context(NonRecordingSpan(parent), Context())
