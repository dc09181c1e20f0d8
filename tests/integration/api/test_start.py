"""Start of a pod: wrong settings end it with a message, missing servers do not, and it listens on IPv6 and IPv4."""

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from service.devstack.postgres import PostgresServer
from service.devstack.processes import HOST, free_ports
from service.devstack.valkey import ValkeyCluster
from service.storage.postgres.migrate import migrate
from tests.support.graceful_shutdown import pod
from tests.support.stack.servers import SHARDS, settings_at
from tests.support.waiting import wait_for

GOOD = "Vb0QXn1uT7yLr3kEw9ZcHsJd2PfAg6Mi"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SECRET": ""}, "LIKEWISE_SECRET is missing"),
        ({"SECRET": "short"}, "LIKEWISE_SECRET has 5 characters"),
        ({"SECRET": "change-me-change-me-change-me-change-me"}, "LIKEWISE_SECRET looks like a sample"),
        ({"SECRET": GOOD, "PREVIOUS_SECRET": "short"}, "LIKEWISE_PREVIOUS_SECRET has 5 characters"),
        ({"SECRET": GOOD, "SITES": "https://*.blog.site"}, "LIKEWISE_SITES"),
        ({"SECRET": GOOD, "API_KEYS": "blog"}, "LIKEWISE_API_KEYS"),
        ({"SECRET": GOOD, "JWT_AUDIENCE": "likes"}, "LIKEWISE_JWT_AUDIENCE needs keys"),
        ({"SECRET": GOOD, "JWT_ALGORITHMS": "none"}, "LIKEWISE_JWT_ALGORITHMS"),
        ({"SECRET": GOOD, "TRUSTED_PROXIES": "10.0.0.0/33"}, "LIKEWISE_TRUSTED_PROXIES"),
        ({"SECRET": GOOD, "ACTOR_LIMIT": "many"}, "LIKEWISE_ACTOR_LIMIT"),
    ],
)
def test_a_wrong_setting_prevents_the_start(settings, sentence):
    environ = os.environ | {f"LIKEWISE_{name}": value for name, value in settings.items()}
    gunicorn = ["-m", "gunicorn", "-c", "python:service.server.gunicorn_conf", "--bind", "127.0.0.1:0", "-w", "1"]
    ended = subprocess.run(
        [sys.executable, *gunicorn, "service.server.wsgi:app"],
        env=environ | {"LIKEWISE_METRICS_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4
    assert f"Likewise can't start: {sentence}" in ended.stderr
    assert "Traceback" not in ended.stderr


@contextmanager
def run(env: dict[str, str], log: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process. It must still run at the end of the block, and then end without an error."""
    with log.open("wb") as stderr, subprocess.Popen([sys.executable, *args], env=env, stderr=stderr) as process:
        try:
            yield process
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(40)
    assert process.returncode == 0, log.read_text()


class Api:
    """A client of the API at a port."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self._host = host
        self._port = port

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Return status and body. The status is 0 if nothing answers."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=20)
        with closing(connection), suppress(OSError):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, json.load(response)
        return 0, {}

    def readiness(self) -> tuple[int, str, str]:
        """Return the status of /readyz, the state, and the part that makes the pod unready."""
        status, body = self.ask("GET", "/readyz")
        return status, body.get("state", body.get("status", "")), body.get("part", "")


def test_pods_and_flushers_wait_for_their_servers(tmp_path):
    """A chart with its own Redis and Postgres starts them and the pods in no particular order."""
    port, *ports = free_ports(5)
    tmp_path.chmod(0o755)
    valkey, postgres = ValkeyCluster(tmp_path / "valkey", ports[:3]), PostgresServer(tmp_path / "postgres", ports[3])
    settings = settings_at(valkey.urls, f"0-{SHARDS - 1}={postgres.url}")
    own = {"REDIS_URLS": valkey.urls[0], "SHARD_MAP": settings.shard_map, "SHARDS": str(SHARDS), "SECRET": GOOD}
    env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    env |= {f"LIKEWISE_{name}": value for name, value in (own | {"METRICS_PORT": "0"}).items()}
    env |= {"WEB_CONCURRENCY": "1"}
    api, flusher_log = Api(port), tmp_path / "flusher.log"
    with ExitStack() as stack:
        stack.callback(valkey.stop)
        stack.callback(postgres.stop)
        command = ("-m", "service.cli", "api", "--bind", f"{HOST}:{port}")
        stack.enter_context(run(env, tmp_path / "api.log", *command))
        stack.enter_context(run(env, flusher_log, "-m", "service.cli", "flusher"))
        wait_for(lambda: api.readiness() == (503, "starting", "redis"), 30)
        assert api.ask("GET", "/livez") == (200, {"status": "ok"})
        wait_for(lambda: "flush postponed" in flusher_log.read_text(), 30)

        valkey.start()
        wait_for(lambda: api.readiness() == (503, "starting", "postgres"), 30)

        postgres.start()
        wait_for(lambda: "run `likewise migrate`" in api.ask("GET", "/readyz")[1]["detail"], 30)
        assert api.readiness() == (503, "starting", "postgres")
        wait_for(lambda: "run `likewise migrate`" in flusher_log.read_text(), 30)

        migrate(settings)
        wait_for(lambda: api.readiness() == (200, "ready", ""), 30)
        assert api.ask("PUT", "/v1/posts/first/like")[0] == 201
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            wait_for(lambda: connection.execute("SELECT n FROM posts").fetchall() == [(1,)], 30)
    assert len(flusher_log.read_text().splitlines()) < 30, "a line is repeated"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this kernel has no IPv6")
def test_the_api_listens_on_ipv6_and_ipv4(tmp_path):
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as free:
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    env |= {"LIKEWISE_SECRET": GOOD, "LIKEWISE_METRICS_PORT": "0", "WEB_CONCURRENCY": "1"}
    with run(env, tmp_path / "api.log", "-m", "service.cli", "api", "--bind", f"[::]:{port}"):
        wait_for(lambda: Api(port, "::1").ask("GET", "/livez") == (200, {"status": "ok"}), 30)
        assert Api(port, "127.0.0.1").ask("GET", "/livez") == (200, {"status": "ok"})


def test_an_old_name_of_a_setting_works_with_a_warning(tmp_path):
    [port] = free_ports(1)
    env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    env |= {"LIKEWISE_SECRET": GOOD, "LIKEWISE_METRICS_PORT": "0", "LIKEWISE_MINT_LIMIT": "7/minute"}
    env |= {"WEB_CONCURRENCY": "2"}
    log = tmp_path / "api.log"
    with run(env, log, "-m", "service.cli", "api", "--bind", f"{HOST}:{port}"):
        wait_for(lambda: Api(port).ask("GET", "/livez")[0] == 200, 30)
    assert log.read_text().count("LIKEWISE_MINT_LIMIT was renamed to LIKEWISE_NEW_VISITOR_LIMIT") == 1


def test_a_pod_raises_the_limit_of_its_open_files(tmp_path):
    """Else a worker would have sockets for a quarter of its connections on many machines."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pod(tmp_path / "gate") as (server, _):
            [worker] = psutil.Process(server.pid).children()
            assert worker.rlimit(psutil.RLIMIT_NOFILE)[0] == (65_536 if hard < 0 else min(hard, 65_536))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
