"""The real client against a fake API server: each refusal becomes one of our errors, in one sentence."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from kubernetes.config import incluster_config

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
from autoscaler.kubernetes import transport
from autoscaler.kubernetes.client import KubernetesApi
from autoscaler.kubernetes.lease import KubernetesLease, LeaseRecord
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.transport import connect

REQUEST_S = 3.0
WORKLOAD = Workload("likewise-api", "u", "17", 2, 2, {}, {})


class FakeServer(BaseHTTPRequestHandler):
    """Gives every request the same answer, and keeps the last request."""

    protocol_version = "HTTP/1.1"
    code, body, headers_sent = 200, b"{}", {}
    last: ClassVar[dict[str, object]] = {}
    clients: ClassVar[set[object]] = set()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        self.clients.add(self.client_address)
        type(self).last = {"path": self.path, "type": self.headers["Content-Type"], "body": text}
        self.send_response(self.code)
        for name, value in {"Content-Type": "application/json", **self.headers_sent}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_PATCH = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Log nothing: pytest shows what matters."""


@pytest.fixture
def server() -> Iterator[type[FakeServer]]:
    handler = type("Handler", (FakeServer,), {"clients": set()})
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
def api(server: type[FakeServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server.port))
    api = KubernetesApi(connect("", REQUEST_S))
    yield api
    api.close()


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
def test_each_refusal_is_an_error_that_names_the_object_and_the_reason(server, api, code, error):
    server.code = code
    server.body = json.dumps({"kind": "Status", "code": code, "message": "because of this"}).encode()
    with pytest.raises(error, match=r"^scaling Deployment likewise-api to 5: because of this$"):
        api.scale(WORKLOAD, 5)
    with pytest.raises(error, match="Deployment likewise-api in namespace blog: because of this"):
        api.deployment("likewise-api")


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
def test_a_busy_server_states_the_pause(server, api, header, seconds):
    server.code, server.headers_sent = 429, header
    server.body = json.dumps({"kind": "Status", "code": 429, "message": "slow down"}).encode()
    with pytest.raises(ThrottledError) as caught:
        api.deployment("likewise-api")
    assert caught.value.retry_after_s == seconds


def test_an_html_answer_of_a_proxy_is_reported_in_one_sentence(server, api):
    server.code, server.body, server.headers_sent = 502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}
    with pytest.raises(ClusterUnavailableError, match="502"):
        api.deployment("likewise-api")


def test_a_refused_connection_is_reported_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, 1))
    api = KubernetesApi(connect("blog", REQUEST_S))
    with pytest.raises(
        ClusterUnavailableError, match="Deployment api in namespace blog: the API server does not answer"
    ):
        api.deployment("api")
    api.close()


def test_a_request_to_a_hanging_server_times_out(server, api, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(server, "do_GET", lambda self: held.wait(10))
    with pytest.raises(ClusterUnavailableError, match="does not answer"):
        api.deployment("api")
    held.set()


def test_a_trickling_answer_times_out(server, api, monkeypatch):
    ended = threading.Event()

    def send_slowly(self: FakeServer) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with suppress(OSError):
            while not ended.wait(0.2):
                self.wfile.write(b" ")

    monkeypatch.setattr(server, "do_GET", send_slowly)
    began = time.monotonic()
    with pytest.raises(ClusterUnavailableError, match="its answer takes too long"):
        api.deployment("api")
    assert time.monotonic() - began < REQUEST_S + 0.5
    ended.set()


def test_a_failed_request_is_not_retried(server, api, monkeypatch):
    requests = []

    def close_connection(self: FakeServer) -> None:
        requests.append(self.path)
        self.close_connection = True

    monkeypatch.setattr(server, "do_GET", close_connection)
    with pytest.raises(ClusterUnavailableError, match="does not answer"):
        api.deployment("api")
    assert len(requests) == 1


def test_an_answer_that_is_not_json_is_reported_in_one_sentence(server, api):
    server.body = b"<html>hello</html>"
    with pytest.raises(ClusterUnavailableError, match="the API server's answer is not JSON"):
        api.deployment("api")


def test_requests_share_one_connection_and_leave_no_thread(server, api):
    spec = {"replicas": 2, "selector": {}}
    server.body = json.dumps({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}, "spec": spec}).encode()
    api.deployment("a")
    [first] = server.clients
    threads = threading.active_count()
    for _ in range(3):
        api.deployment("a")
    assert server.clients == {first}
    assert threading.active_count() == threads


def test_a_pod_uses_its_own_account_and_namespace(tmp_path, monkeypatch):
    for name, text in {"token": "secret", "ca.crt": "authority", "namespace": "blog\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(transport, "_NAMESPACE_FILE", tmp_path / "namespace")
    with closing(connect("", 1)) as connection:
        configuration = connection._client.configuration
        assert connection.namespace == "blog"
        assert configuration.host == "https://[fd00::1]:443"
        assert configuration.get_api_key_with_prefix("BearerToken") == "bearer secret"
        assert configuration.retries is False


def test_an_hpa_is_read_with_its_target(server, api):
    spec = {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "shop", "apiVersion": "apps/v1"}}
    server.body = json.dumps({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}, "spec": spec}).encode()
    hpa = api.hpa("a")
    assert (hpa.min_replicas, hpa.max_replicas, hpa.target) == (1, 9, "Deployment/shop")


def test_a_missing_kubeconfig_is_reported_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="no cluster: run in a pod, or set KUBECONFIG"):
        connect("", 1)


def test_a_write_contains_only_the_change_its_version_and_its_writer(server, api):
    server.body = json.dumps({"metadata": {}, "spec": {"replicas": 5}}).encode()
    api.scale(WORKLOAD, 5)
    assert server.last["path"].endswith(
        "/namespaces/blog/deployments/likewise-api/scale?fieldManager=likewise-autoscaler"
    )
    assert server.last["type"] == "application/merge-patch+json"
    assert json.loads(server.last["body"]) == {"metadata": {"resourceVersion": "17"}, "spec": {"replicas": 5}}


@pytest.mark.parametrize(("before", "kept"), [("me", True), ("another", False)])
def test_a_lease_keeps_the_time_of_its_acquisition(server, tmp_path, monkeypatch, before, kept):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server.port))
    since = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server.body = json.dumps({"metadata": {"labels": {"by": "helm"}}}).encode()
    with closing(connect("", 3)) as connection:
        lease = KubernetesLease(connection, "it")
        assert lease.read() == LeaseRecord("", None)
        lease.write(LeaseRecord(before, since, 4, "17", 8, since), "me", 8)
    spec = json.loads(server.last["body"])["spec"]
    assert (spec["acquireTime"].startswith("2026-11-21T12:00:00")) is kept
    assert spec["leaseTransitions"] == (4 if kept else 5)
    assert json.loads(server.last["body"])["metadata"] == {
        "name": "it",
        "resourceVersion": "17",
        "labels": {"by": "helm"},
    }


def test_every_error_is_a_cluster_error():
    for kind in (ForbiddenError, MissingError, ConflictError, RefusedError, ClusterUnavailableError, ThrottledError):
        assert issubclass(kind, ClusterError)
