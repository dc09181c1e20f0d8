"""The real client against a server that refuses: each answer becomes one of our errors, in one sentence."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from autoscaler.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    MissingError,
    RefusedError,
    ThrottledError,
)
from autoscaler.kubernetes.client import Cluster
from autoscaler.kubernetes.lease import LeaseRecords, Record
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.transport import connect

WORKLOAD = Workload("likewise-api", "u", "17", 2, 2, {}, {})


class Refusing(BaseHTTPRequestHandler):
    """Answers all requests alike, and keeps the last."""

    protocol_version = "HTTP/1.1"
    code, body, headers_sent = 200, b"{}", {}
    last: ClassVar[dict[str, object]] = {}

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        type(self).last = {"path": self.path, "type": self.headers["Content-Type"], "body": text}
        self.send_response(self.code)
        for name, value in {"Content-Type": "application/json", **self.headers_sent}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_PATCH = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture
def server() -> Iterator[type[Refusing]]:
    handler = type("Handler", (Refusing,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def kubeconfig(folder: Path, port: int) -> str:
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "blog"}}],
    }  # fmt: skip
    file = folder / "config"
    file.write_text(json.dumps(config))
    return str(file)


@pytest.fixture
def cluster(server: type[Refusing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server.port))
    cluster = Cluster(connect("", 3))
    yield cluster
    cluster.close()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, MissingError),
        (409, ConflictError),
        (422, RefusedError),
        (500, ClusterUnavailableError),
        (503, ClusterUnavailableError),
    ],
)
def test_each_refusal_is_an_error_that_names_what_and_why(server, cluster, code, error):
    server.code = code
    server.body = json.dumps({"kind": "Status", "code": code, "message": "because of this"}).encode()
    with pytest.raises(error, match=r"^scaling Deployment likewise-api to 5: because of this$"):
        cluster.scale(WORKLOAD, 5)
    with pytest.raises(error, match="Deployment likewise-api in namespace blog: because of this"):
        cluster.deployment("likewise-api")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry-After": "9"}, 9),
        ({"Retry-After": "86400"}, 30),
        ({"Retry-After": "inf"}, 1),
        ({"Retry-After": "nan"}, 1),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "soon"}, 1),
        ({}, 1),
    ],
)
def test_a_busy_server_says_when_to_ask_again(server, cluster, header, seconds):
    server.code, server.headers_sent = 429, header
    server.body = json.dumps({"kind": "Status", "code": 429, "message": "slow down"}).encode()
    with pytest.raises(ThrottledError) as caught:
        cluster.deployment("likewise-api")
    assert caught.value.retry_after_s == seconds


def test_a_proxy_that_answers_in_html_is_no_crash(server, cluster):
    server.code, server.body, server.headers_sent = 502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}
    with pytest.raises(ClusterUnavailableError, match="502"):
        cluster.deployment("likewise-api")


def test_nobody_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, 1))
    cluster = Cluster(connect("blog", 3))
    with pytest.raises(
        ClusterUnavailableError, match="Deployment api in namespace blog: the API server does not answer"
    ):
        cluster.deployment("api")
    cluster.close()


def test_a_server_that_hangs_is_given_up_in_time(server, cluster, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(server, "do_GET", lambda self: held.wait(10))
    with pytest.raises(ClusterUnavailableError, match="does not answer"):
        cluster.deployment("api")
    held.set()


def test_an_answer_that_comes_in_drops_is_given_up_in_time(server, cluster, monkeypatch):
    ended = threading.Event()

    def drip(self: Refusing) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with suppress(OSError):
            while not ended.wait(0.2):
                self.wfile.write(b" ")

    monkeypatch.setattr(server, "do_GET", drip)
    with pytest.raises(ClusterUnavailableError, match="its answer takes too long"):
        cluster.deployment("api")
    ended.set()


def test_an_hpa_is_read_with_what_it_scales(server, cluster):
    spec = {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "shop", "apiVersion": "apps/v1"}}
    server.body = json.dumps({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}, "spec": spec}).encode()
    floor = cluster.floor("a")
    assert (floor.least, floor.most, floor.target) == (1, 9, "Deployment/shop")


def test_no_cluster_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="no cluster: run in a pod, or set KUBECONFIG"):
        connect("", 1)


def test_a_write_names_its_version_its_writer_and_nothing_more(server, cluster):
    server.body = json.dumps({"metadata": {}, "spec": {"replicas": 5}}).encode()
    cluster.scale(WORKLOAD, 5)
    assert server.last["path"].endswith(
        "/namespaces/blog/deployments/likewise-api/scale?fieldManager=likewise-autoscaler"
    )
    assert server.last["type"] == "application/merge-patch+json"
    assert json.loads(server.last["body"]) == {"metadata": {"resourceVersion": "17"}, "spec": {"replicas": 5}}


@pytest.mark.parametrize(("before", "kept"), [("me", True), ("another", False)])
def test_a_lease_keeps_since_when_it_is_held(server, tmp_path, monkeypatch, before, kept):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server.port))
    since = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server.body = json.dumps({"metadata": {"labels": {"by": "helm"}}}).encode()
    with closing(connect("", 3)) as client:
        records = LeaseRecords(client, "it")
        assert records.read() == Record("", None)
        records.write(Record(before, since, 4, "17", 8, since), "me", 8)
    spec = json.loads(server.last["body"])["spec"]
    assert (spec["acquireTime"].startswith("2026-11-21T12:00:00")) is kept
    assert spec["leaseTransitions"] == (4 if kept else 5)
    assert json.loads(server.last["body"])["metadata"] == {
        "name": "it",
        "resourceVersion": "17",
        "labels": {"by": "helm"},
    }


def test_every_error_is_of_one_tree():
    for kind in (ForbiddenError, MissingError, ConflictError, RefusedError, ClusterUnavailableError, ThrottledError):
        assert issubclass(kind, ClusterError)
