"""A pod that can't start says why in a sentence, and ends; one whose servers are not there yet waits for them."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.devstack.postgres import PostgresServer
from service.devstack.processes import HOST, free_ports
from service.devstack.valkey import ValkeyCluster
from service.storage.postgres.migrate import migrate
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
def test_a_setting_that_can_not_work_stops_the_start(settings, sentence):
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
    """A Python process that must still run at the end, and end well when it is told to."""
    with log.open("wb") as said, subprocess.Popen([sys.executable, *args], env=env, stderr=said) as process:
        try:
            yield process
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(40)
    assert process.returncode == 0, log.read_text()


class Api:
    """The API at a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body; 0 where nobody answers."""
        with closing(http.client.HTTPConnection(HOST, self._port, timeout=20)) as line, suppress(OSError):
            line.request(method, path)
            answer = line.getresponse()
            return answer.status, json.load(answer)
        return 0, {}

    def stands(self) -> tuple[int, str, str]:
        """What /readyz says: status, state, and the part that keeps it from being ready."""
        status, said = self.ask("GET", "/readyz")
        return status, said.get("state", said.get("status", "")), said.get("part", "")


def test_pods_and_flushers_that_start_before_their_servers_wait_for_them(tmp_path):
    """As in a chart that brings its own Redis and Postgres: nobody starts in order there."""
    port, *ports = free_ports(5)
    tmp_path.chmod(0o755)
    valkey, postgres = ValkeyCluster(tmp_path / "valkey", ports[:3]), PostgresServer(tmp_path / "postgres", ports[3])
    settings = settings_at(valkey.urls, f"0-{SHARDS - 1}={postgres.url}")
    own = {"REDIS_URLS": valkey.urls[0], "SHARD_MAP": settings.shard_map, "SHARDS": str(SHARDS), "SECRET": GOOD}
    env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    env |= {f"LIKEWISE_{name}": value for name, value in (own | {"METRICS_PORT": "0"}).items()}
    env |= {"WEB_CONCURRENCY": "1"}
    api, told = Api(port), tmp_path / "flusher.log"
    with ExitStack() as stack:
        stack.callback(valkey.stop)
        stack.callback(postgres.stop)
        command = ("-m", "service.cli", "api", "--bind", f"{HOST}:{port}")
        stack.enter_context(run(env, tmp_path / "api.log", *command))
        stack.enter_context(run(env, told, "-m", "service.cli", "flusher"))
        wait_for(lambda: api.stands() == (503, "starting", "redis"), 30)
        assert api.ask("GET", "/livez") == (200, {"status": "ok"})
        wait_for(lambda: "flush postponed" in told.read_text(), 30)

        valkey.start()
        wait_for(lambda: api.stands() == (503, "starting", "postgres"), 30)

        postgres.start()
        wait_for(lambda: "run `likewise migrate`" in api.ask("GET", "/readyz")[1]["detail"], 30)
        assert api.stands() == (503, "starting", "postgres")
        wait_for(lambda: "run `likewise migrate`" in told.read_text(), 30)

        migrate(settings)
        wait_for(lambda: api.stands() == (200, "ready", ""), 30)
        assert api.ask("PUT", "/v1/posts/first/like")[0] == 201
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            wait_for(lambda: connection.execute("SELECT n FROM posts").fetchall() == [(1,)], 30)
    assert len(told.read_text().splitlines()) < 30, "the same is said again and again"
