"""Traces by OpenTelemetry, sent as OTLP over HTTP. Imported only where LIKEWISE_TRACE_ENDPOINT is set.

Start it in the process that serves: the thread that sends spans outlives no fork.
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
_EXPORT_TIMEOUT_S = 2.0  # of a request to the collector; the end of a process waits for the last one
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Tracing:
    """The spans of one process. `ratio` is the share of requests traced where no proxy decides.

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
        # Whether a request is traced is decided before its first span, so that one that is not has none.
        self._provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=traces_url(endpoint), timeout=_EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS))
        self._tracer = self._provider.get_tracer("likewise")
        self._ratio = ratio

    def wants(self, parent: SpanContext | None) -> bool:
        """Whether a request is traced: as its sender decided, else now and then."""
        # Nothing is kept secret by this.
        return parent.trace_flags.sampled if parent else random.random() < self._ratio  # noqa: S311

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Value], parent: SpanContext | None = None
    ) -> Iterator[Span]:
        """A span that is the current one in the block, under `parent` or, without one, under the current span."""
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
        """A span that has begun and ended already, in ns since 1970; without a parent it begins a trace of its own."""
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
        """Send what is left, and end."""
        self._provider.shutdown()


def traces_url(endpoint: str) -> str:
    """Where spans go: `endpoint` with /v1/traces, unless it has a path already. Raises ConfigurationError."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"LIKEWISE_TRACE_ENDPOINT is {endpoint!r}; give http://HOST:4318")
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def parent_of(traceparent: str) -> SpanContext | None:
    """A W3C `traceparent` as a span's context; None where it is none of version 00."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))


def traceparent_of(context: SpanContext) -> str:
    """The context as W3C `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def current_span() -> Span | None:
    """The span of the present request; None where it is not traced."""
    span = get_current_span()
    return span if span.is_recording() else None


def under(parent: SpanContext) -> Context:
    """A context whose spans are the parent's children."""
    return set_span_in_context(NonRecordingSpan(parent), Context())
