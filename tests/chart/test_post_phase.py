"""files/migration/run_post_phase.py: the Job that waits for the last old pod, against an API server of its own."""

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

from tests.support.chart import CHART

SCRIPT = CHART / "files/migration/run_post_phase.py"
LIKEWISE = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in *--list) printf "$LEFT" ;; *) echo migrated ;; esac
"""
DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
UNSEEN = DONE | {"observedGeneration": 1}
ROLLING = DONE | {"replicas": 3, "updatedReplicas": 1}


class Api(BaseHTTPRequestHandler):
    """Answers for each look at the Deployments the next status, and the last one from then on."""

    looks: ClassVar[list[tuple[int, dict[str, int], list[str]]]] = []

    def do_GET(self) -> None:
        code, status, ending = self.looks[0]
        if "pods" in self.path:
            assert self.path.endswith("labelSelector=component%20in%20%28api%29")
            items = [{"metadata": {"name": name, "deletionTimestamp": "now"}} for name in ending]
            body: Any = {"items": [*items, {"metadata": {"name": "stays"}}]}
        else:
            assert self.path.startswith("/apis/apps/v1/namespaces/a-space/deployments/")
            name = self.path.rpartition("/")[2]
            body = {"metadata": {"name": name, "generation": 2}, "spec": {"replicas": 2}, "status": status}
        if "pods" in self.path or code != 200:
            self.looks[:] = self.looks[1:] or self.looks
        assert self.headers["Authorization"] == "Bearer a-token"
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body if code == 200 else {"message": "pods is forbidden"}).encode())

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is mounted into the pod, and the server's key. The authority lacks extensions, as many clusters' do."""
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
def api_server(account: Path, *looks: tuple[int, dict[str, int], list[str]]) -> Iterator[int]:
    """An API server of these looks; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Looks", (Api,), {"looks": list(looks)}))
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


def after(
    account: Path, tmp_path: Path, port: int, left: str = "0099 post contract\n"
) -> tuple[int, str, str, list[str]]:
    """Exit code, output, errors, and how `likewise` was called."""
    likewise, calls = tmp_path / "likewise", tmp_path / "calls"
    likewise.write_text(LIKEWISE)
    likewise.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "LEFT": left}
    env |= {"ACCOUNT": str(account), "DEPLOYMENTS": "api flusher", "SELECTOR": "component in (api)"}
    env |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr, calls.read_text().splitlines()


LISTED, MIGRATED = "migrate --phase post --list", "migrate --phase post"


def test_with_nothing_left_it_asks_nobody(account: Path, tmp_path: Path) -> None:
    code, said, _, calls = after(account, tmp_path, port=1, left="")
    assert (code, said, calls) == (0, "nothing is left to do after the last old pod\n", [LISTED])


@pytest.mark.parametrize(
    ("look", "says"),
    [
        ((200, ROLLING, []), "api has 1 new pods of 2 and 2 old ones"),
        ((200, UNSEEN, []), "api has 2 new pods of 2 and 0 old ones"),
        ((200, DONE, ["api-b", "api-a"]), "waiting: ending: api-a, api-b\n"),
        ((500, DONE, []), "the API server to answer (HTTP Error 500"),
    ],
)
def test_it_migrates_once_the_last_old_pod_is_gone(
    account: Path, tmp_path: Path, look: tuple[int, dict[str, int], list[str]], says: str
) -> None:
    with api_server(account, look, (200, DONE, [])) as port:
        code, said, errors, calls = after(account, tmp_path, port)
    assert code == 0, errors
    assert says in said
    assert said.endswith("migrated\n")
    assert calls == [LISTED, MIGRATED]


def test_an_account_without_rights_is_said_and_nothing_is_migrated(account: Path, tmp_path: Path) -> None:
    with api_server(account, (403, DONE, [])) as port:
        code, _, errors, calls = after(account, tmp_path, port)
    assert (code, calls) == (1, [LISTED])
    assert errors == "Error: can't see whether old pods are gone: pods is forbidden\n"
