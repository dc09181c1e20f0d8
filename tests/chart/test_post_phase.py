"""Tests of files/migration/run_post_phase.py, the Job that waits for old pods, against a fake API server."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.kubernetes.chart import CHART

SCRIPT = CHART / "files/migration/run_post_phase.py"
FAKE_LIKEWISE = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in *--list) printf "$PENDING" ;; *) echo migrated ;; esac
"""
DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
NOT_OBSERVED = DONE | {"observedGeneration": 1}
ROLLING = DONE | {"replicas": 3, "updatedReplicas": 1}


class FakeApiServer(BaseHTTPRequestHandler):
    """Answers each poll of the Deployments with the next observation, and repeats the last one."""

    observations: ClassVar[list[tuple[int, dict[str, int], list[str]]]] = []

    def do_GET(self) -> None:
        code, status, ending = self.observations[0]
        if "pods" in self.path:
            assert self.path.endswith("labelSelector=component%20in%20%28api%29")
            items = [{"metadata": {"name": name, "deletionTimestamp": "now"}} for name in ending]
            body: Any = {"items": [*items, {"metadata": {"name": "stays"}}]}
        else:
            assert self.path.startswith("/apis/apps/v1/namespaces/a-space/deployments/")
            name = self.path.rpartition("/")[2]
            body = {"metadata": {"name": name, "generation": 2}, "spec": {"replicas": 2}, "status": status}
        if "pods" in self.path or code != 200:
            self.observations[:] = self.observations[1:] or self.observations
        assert self.headers["Authorization"] == "Bearer a-token"
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body if code == 200 else {"message": "pods is forbidden"}).encode())

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the mounted account and the server's key.

    The certificate authority lacks extensions, as in many clusters.
    """
    folder = tmp_path_factory.mktemp("account")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key").write_bytes(key.private_bytes(pem, *form))
    (folder / "token").write_text("a-token")
    (folder / "namespace").write_text("a-space")
    return folder


@contextmanager
def api_server(account: Path, *observations: tuple[int, dict[str, int], list[str]]) -> Iterator[int]:
    """Run a fake API server with these observations, and yield its port."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Server", (FakeApiServer,), {"observations": list(observations)})
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "ca.crt", account / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run_script(
    account: Path, tmp_path: Path, port: int, pending: str = "0099 post contract\n"
) -> tuple[int, str, str, list[str]]:
    """Run the script. Return exit code, output, errors, and the calls of `likewise`."""
    likewise, calls = tmp_path / "likewise", tmp_path / "calls"
    likewise.write_text(FAKE_LIKEWISE)
    likewise.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "PENDING": pending}
    env |= {"ACCOUNT": str(account), "DEPLOYMENTS": "api flusher", "SELECTOR": "component in (api)"}
    env |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr, calls.read_text().splitlines()


LISTED, MIGRATED = "migrate --phase post --list", "migrate --phase post"


def test_without_pending_migrations_the_api_server_is_not_called(account: Path, tmp_path: Path) -> None:
    code, output, _, calls = run_script(account, tmp_path, port=1, pending="")
    assert (code, output, calls) == (0, "no migration of the phase post is pending\n", [LISTED])


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        ((200, ROLLING, []), "api has 1 of 2 new pods and 2 old pods"),
        ((200, NOT_OBSERVED, []), "api has 2 of 2 new pods and 0 old pods"),
        ((200, DONE, ["api-b", "api-a"]), "waiting: terminating: api-a, api-b\n"),
        ((500, DONE, []), "the API server does not answer (HTTP Error 500"),
    ],
)
def test_migrations_run_once_the_last_old_pod_is_gone(
    account: Path, tmp_path: Path, observation: tuple[int, dict[str, int], list[str]], reason: str
) -> None:
    with api_server(account, observation, (200, DONE, [])) as port:
        code, output, errors, calls = run_script(account, tmp_path, port)
    assert code == 0, errors
    assert reason in output
    assert output.endswith("migrated\n")
    assert calls == [LISTED, MIGRATED]


def test_missing_permissions_are_reported_and_nothing_is_migrated(account: Path, tmp_path: Path) -> None:
    with api_server(account, (403, DONE, [])) as port:
        code, _, errors, calls = run_script(account, tmp_path, port)
    assert (code, calls) == (1, [LISTED])
    assert errors == "Error: can't see whether old pods are gone: pods is forbidden\n"
