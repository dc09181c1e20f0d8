"""Selection of traced requests, and the trace of a like from its request to its transaction."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from service.api.http.tracing import TracedRequests
from service.auth.client_address import ClientResolver
from service.core.likes import LikeRequest, LikeState
from service.core.queue import Batch, CommitResult, Entry, FencedError
from service.errors import ConfigurationError
from service.instrumentation.traced import MAX_LINKS, TracedCounter, TracedStore
from service.observability.tracing import Tracing, parent_of, traceparent_of, traces_url
from service.settings import Settings

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
NOWHERE = "http://127.0.0.1:9"
PROXY, STRANGER = "127.0.0.1", "203.0.113.77"


class Traced:
    """Tracing that keeps its spans in memory."""

    def __init__(self, ratio: float = 0.0) -> None:
        self.tracing = Tracing("test", NOWHERE, ratio)
        self._spans = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._spans)
        self.tracing._provider._active_span_processor._span_processors = (processor,)

    @property
    def spans(self):
        return {span.name: span for span in self._spans.get_finished_spans()}


@pytest.mark.parametrize(
    ("sent", "sampled"),
    [
        (SENT, True),
        (SENT[:-2] + "00", False),
        (SENT[:-2] + "03", True),
        (SENT.upper(), None),
        (SENT + "-more", None),
        ("01" + SENT[2:], None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        ("", None),
        ("00-x-y-01", None),
    ],
)
def test_a_traceparent_is_parsed_or_refused(sent, sampled):
    found = parent_of(sent)
    assert (found and found.trace_flags.sampled) == sampled
    if sent == SENT:
        assert traceparent_of(found) == SENT


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
    ],
)
def test_the_url_gets_the_path_for_traces(endpoint, url):
    assert traces_url(endpoint) == url


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317", "http://"])
def test_the_error_names_an_invalid_endpoint(endpoint):
    with pytest.raises(ConfigurationError, match="LIKEWISE_TRACE_ENDPOINT is"):
        traces_url(endpoint)


def ask(traced: Traced, status: str = "201 CREATED", peer: str = PROXY, **headers: str) -> list[str]:
    """Send a like's request. Return the statuses that the server received."""
    statuses: list[str] = []

    def app(environ, start_response):
        start_response(status, [])
        return [b""]

    requests = TracedRequests(app, traced.tracing, ClientResolver(Settings()))
    environ = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/v1/posts/a/b/like", "REMOTE_ADDR": peer}
    requests(environ | headers, lambda status, headers: statuses.append(status))
    return statuses


def test_a_request_that_the_proxy_traces_is_traced_under_the_proxys_span():
    traced = Traced()
    assert ask(traced, HTTP_TRACEPARENT=SENT, HTTP_X_REQUEST_ID="a-request-id") == ["201 CREATED"]
    span = traced.spans["PUT /v1/posts/{post}/like"]
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.kind == SpanKind.SERVER
    assert span.attributes == {
        "http.request.method": "PUT",
        "url.path": "/v1/posts/a/b/like",
        "http.response.status_code": 201,
        "likewise.request_id": "a-request-id",
    }


def test_a_failure_is_an_error_of_its_span():
    traced = Traced()
    ask(traced, "503 SERVICE UNAVAILABLE", HTTP_TRACEPARENT=SENT)
    assert not traced.spans["PUT /v1/posts/{post}/like"].status.is_ok


@pytest.mark.parametrize(
    ("ratio", "sent", "peer", "is_traced"),
    [
        (0.0, "", PROXY, False),
        (1.0, "", PROXY, True),
        # The proxy decides.
        (1.0, SENT[:-1] + "0", PROXY, False),
        # Others may not have all their requests traced.
        (0.0, SENT, STRANGER, False),
        (1.0, SENT, STRANGER, True),
    ],
)
def test_a_trusted_proxy_or_the_ratio_decides(ratio, sent, peer, is_traced):
    traced = Traced(ratio)
    ask(traced, peer=peer, HTTP_TRACEPARENT=sent)
    assert bool(traced.spans) == is_traced
    assert not is_traced or f"{traced.spans.popitem()[1].context.trace_id:032x}" != TRACE


class FakeCounter:
    """A counter that remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[LikeRequest] = []

    def submit(self, request, ack):
        self.requests.append(request)
        return LikeState(request.post, True, True, 1, 1)


def test_only_a_traced_request_carries_its_trace():
    traced, counter = Traced(), FakeCounter()
    likes = TracedCounter(counter, traced.tracing)
    likes.submit(LikeRequest("p", "anna", True), "memory")
    with traced.tracing.span("request", SpanKind.SERVER, {}, parent_of(SENT)):
        likes.submit(LikeRequest("p", "ben", True), "memory")
    untraced, followed = counter.requests
    assert untraced.trace == ""
    span = traced.spans["redis like"]
    assert followed.trace == traceparent_of(span.context)
    assert f"{span.context.trace_id:032x}" == TRACE
    # The actor is private.
    assert "ben" not in str(dict(span.attributes))


class FakeStore:
    """A store that accepts all batches except those of shard 1."""

    def commit(self, batches):
        return [FencedError() if batch.shard == 1 else CommitResult(0, {}) for batch in batches]


def entry(version: int, trace: str = "") -> Entry:
    return Entry(f"{version}-0", version, "p", "anna", True, 1, trace)


def test_a_stored_like_has_a_span_that_is_linked_to_the_transaction():
    traced = Traced()
    store = TracedStore(FakeStore(), traced.tracing)
    store.commit([Batch(0, 1, [entry(5), entry(6)])])
    assert not traced.spans
    store.commit([Batch(0, 1, [entry(7), entry(8, SENT), entry(9, "no trace")]), Batch(1, 1, [entry(3, SENT)])])
    stored, commit = traced.spans["queued, then stored"], traced.spans["postgres commit"]
    assert (f"{stored.context.trace_id:032x}", f"{stored.parent.span_id:016x}") == (TRACE, SPAN)
    assert stored.start_time == 8_000
    assert stored.end_time == commit.end_time
    assert dict(stored.attributes) == {"likewise.post": "p", "likewise.shard": 0, "likewise.version": 8}
    assert [f"{link.context.span_id:016x}" for link in commit.links] == [SPAN]
    assert [link.context.span_id for link in stored.links] == [commit.context.span_id]
    assert commit.context.trace_id != stored.context.trace_id
    assert dict(commit.attributes) == {"likewise.shards": 1, "likewise.likes": 3}


def test_the_links_of_a_transaction_are_bounded():
    traced = Traced()
    TracedStore(FakeStore(), traced.tracing).commit([Batch(0, 1, [entry(at, SENT) for at in range(1, 3 * MAX_LINKS)])])
    assert len(traced.spans["postgres commit"].links) == MAX_LINKS


def test_tracing_is_not_imported_unless_configured():
    # redis-py imports other parts of OpenTelemetry.
    traces = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "service.observability.tracing")
    program = f"import sys, service.server.wsgi; print([name for name in sys.modules if name.startswith({traces})])"
    env = {"LIKEWISE_SECRET": "Vb0QXn1uT7yLr3kEw9ZcHsJd2PfAg6Mi", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
