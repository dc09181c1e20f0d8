"""The trace of one like from the ingress through Redis to the commit in Postgres, as a collector receives it."""

import gzip
import http.client
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import Popen

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.devstack.processes import HOST, free_ports
from tests.support.stack.processes import environment, running
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

TRACE, INGRESS = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{INGRESS}-01"}


class Collector:
    """An OTLP receiver. `spans` has each received span with the name of its service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.receive(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}"

    def receive(self, body: bytes) -> None:
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            [service] = [pair.value.string_value for pair in one.resource.attributes if pair.key == "service.name"]
            self.spans += [(service, span) for scope in one.scope_spans for span in scope.spans]

    def of(self, trace: str) -> dict[str, tuple[str, Span]]:
        """Return the spans of one trace, by name."""
        return {span.name: (service, span) for service, span in self.spans if span.trace_id.hex() == trace}


@pytest.fixture
def collector() -> Iterator[Collector]:
    receiver = Collector()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@contextmanager
def stack(servers: Servers, endpoint: str, ratio: str = "0") -> Iterator[tuple[int, list[Popen[bytes]]]]:
    """Run a pod and a flusher. Yield the port of the pod, and both processes."""
    env = environment(servers, WEB_CONCURRENCY="1", LIKEWISE_TRACE_ENDPOINT=endpoint, LIKEWISE_TRACE_RATIO=ratio)
    [port] = free_ports(1)
    gunicorn = (
        "-m",
        "gunicorn",
        "-c",
        "python:service.server.gunicorn_conf",
        "--bind",
        f"{HOST}:{port}",
        "service.server.wsgi:app",
    )
    with ExitStack() as running_all:
        flusher = ("-m", "service.cli", "flusher")
        processes = [running_all.enter_context(running(env, *args)) for args in (gunicorn, flusher)]
        wait_for(lambda: ask(port, "GET", "/readyz") == 200, 30)
        yield port, processes


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """Send a request. Return the status of the response, 0 without one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(method, path, headers=headers or {})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_a_like_is_traced_from_the_ingress_to_the_commit(servers: Servers, collector: Collector) -> None:
    with stack(servers, collector.url) as (port, _):
        assert ask(port, "PUT", "/v1/posts/untraced/like") == 201
        assert ask(port, "PUT", "/v1/posts/a/like", SENT) == 201
        wait_for(lambda: len(collector.of(TRACE)) == 3)
        wait_for(lambda: any(span.name == "postgres commit" for _, span in collector.spans))
    spans = collector.of(TRACE)
    (api, request), (_, redis) = spans["PUT /v1/posts/{post}/like"], spans["redis like"]
    flusher, stored = spans["queued, then stored"]
    assert (api, flusher) == ("likewise-api", "likewise-flusher")
    assert request.parent_span_id.hex() == INGRESS
    assert redis.parent_span_id == request.span_id
    assert stored.parent_span_id == redis.span_id
    assert request.start_time_unix_nano <= redis.start_time_unix_nano <= redis.end_time_unix_nano
    assert stored.start_time_unix_nano < stored.end_time_unix_nano
    attributes = {pair.key: pair.value for pair in stored.attributes}
    assert attributes["likewise.post"].string_value == "a"
    [commit] = [span for _, span in collector.spans if span.name == "postgres commit"]
    assert [link.span_id for link in stored.links] == [commit.span_id]
    assert [link.span_id for link in commit.links] == [redis.span_id]
    assert {span.trace_id for _, span in collector.spans} == {request.trace_id, commit.trace_id}


def test_an_unreachable_collector_delays_neither_likes_nor_the_shutdown(servers: Servers) -> None:
    [nobody] = free_ports(1)
    with stack(servers, f"http://{HOST}:{nobody}", ratio="1") as (port, processes):
        assert [ask(port, "PUT", f"/v1/posts/a-{at}/like") for at in range(20)] == [201] * 20
        for process in processes:
            process.terminate()
        assert [process.wait(20) for process in processes] == [0, 0]
