"""`likewise up` and its servers, as they run: killed, stopped, started again, refused."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from rich.console import Console

from service.devstack.postgres import PostgresServer
from service.devstack.processes import free_ports, wait_until
from service.devstack.up import up
from service.devstack.valkey import ValkeyCluster
from service.settings import Settings

RUN = """
from service.devstack.up import up
from service.settings import Settings
raise SystemExit(up(Settings(), port={port}))
"""
KEYS = range(100)


def write(cluster: ValkeyCluster) -> None:
    with closing(redis.RedisCluster.from_url(cluster.urls[0])) as client:
        for key in KEYS:
            client.set(f"key-{key}", key)


def everything_is_there(cluster: ValkeyCluster) -> bool:
    with closing(redis.RedisCluster.from_url(cluster.urls[0])) as client:
        return all(client.get(f"key-{key}") == str(key).encode() for key in KEYS)


def query(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute(statement)


def rows(server: PostgresServer) -> list[tuple[int]]:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT n FROM t").fetchall()


def test_valkey_keeps_its_data_killed_or_stopped_and_on_other_ports(tmp_path: Path) -> None:
    first = ValkeyCluster(tmp_path / "valkey")
    first.start()
    try:
        write(first)
        first.processes[1].kill()
        first.restart(1)
        first.wait_ok()
        assert everything_is_there(first)
    finally:
        first.stop()
    second = ValkeyCluster(tmp_path / "valkey")
    second.start()
    try:
        assert not set(first.ports) & set(second.ports)
        assert everything_is_there(second)
    finally:
        second.stop()


def test_postgres_killed_or_stopped_keeps_its_rows(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    try:
        query(server, "CREATE TABLE t (n int)")
        query(server, "INSERT INTO t VALUES (7)")
        server.kill()
        server.start()
        assert rows(server) == [(7,)]
        server.restart()
        assert rows(server) == [(7,)]
        assert server.data.joinpath("postmaster.pid").exists()
    finally:
        server.stop()


def test_postgres_forgets_a_number_that_is_another_process_now(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    try:
        server.kill()
        file = server.data / "postmaster.pid"
        file.write_text(re.sub(r"^\d+", str(os.getpid()), file.read_text()))
        server.start()
    finally:
        server.stop()


class Run:
    """One `likewise up` in a process of its own."""

    def __init__(self, directory: Path, port: int, metrics_port: int = 0) -> None:
        self.port = port
        self._output = directory / "output"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIKEWISE_")}
        ours = {"LIKEWISE_STATE_DIR": str(directory / "state"), "LIKEWISE_METRICS_PORT": str(metrics_port)}
        ours["LIKEWISE_SLOW_MS"] = "1"  # a like of a new post asks Postgres: it is logged
        self.run = directory / "state" / "run"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN.format(port=port)],
                env={**clean, **ours},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait_for("Likewise is up")
        except BaseException:
            self.end(signal.SIGTERM)
            raise

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        def seen() -> bool:
            assert self.process.poll() is None or text in self.output, self.output
            return text in self.output

        wait_until(seen, timeout_s=60, what=f"{text!r}, got {self.output}")

    def pid(self, name: str) -> int:
        return int(json.loads((self.run / f"{name}.json").read_text())["pid"])

    def end(self, how: signal.Signals) -> int:
        """Signal it, and return its exit code once nothing that it started is left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        code = self.process.wait(60)
        assert not psutil.wait_procs(family, timeout=30)[1]
        return code

    def ask(self, method: str, path: str, port: int | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        with closing(connection):
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status < 300, body
            return body

    def count(self, post: str) -> int:
        return int(json.loads(self.ask("GET", f"/v1/posts/{post}/count"))["count"])


@dataclass(frozen=True)
class Running:
    """A stack that runs, and the likes of a post that got one before a stop and one after it, then a kill."""

    run: Run
    metrics_port: int
    after_stop: int
    after_kill: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("up")
    port, metrics_port = free_ports(2)
    counts = []
    for how, code in ((signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)):
        run = Run(directory, port)
        run.ask("PUT", "/v1/posts/kept/like")
        counts.append(run.count("kept"))
        assert run.end(how) == code
    run = Run(directory, port, metrics_port)
    try:
        yield Running(run, metrics_port, counts[1], run.count("kept"))
    finally:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


def test_likes_outlive_a_stop_and_a_kill(running: Running) -> None:
    assert (running.after_stop, running.after_kill) == (2, 2)


def refusal(settings: Settings, port: int, **changes: int) -> str:
    """What `up` says when it does not even start."""
    output = io.StringIO()
    assert up(settings, port=port, console=Console(file=output, width=1000), **changes) == 1
    return output.getvalue().strip()


def test_a_second_up_names_the_first(running: Running) -> None:
    run = running.run
    said = refusal(Settings(state_dir=run.run.parent, metrics_port=0), free_ports(1)[0])
    assert said.startswith(f"`likewise up` runs here already, as process {run.process.pid}: stop it")
    assert run.process.poll() is None


def test_ids_reach_the_api_byte_for_byte(running: Running) -> None:
    run = running.run
    run.ask("PUT", "/v1/posts/a%2Fb:~c/like")
    assert run.count("a%2Fb:~c") == 1


def test_metrics_are_served_apart(running: Running) -> None:
    served = [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)/metrics", running.run.output)]
    api, flusher = served
    assert api == running.metrics_port
    assert b"likewise_likes_total" in running.run.ask("GET", "/metrics", api)
    assert b"likewise_pending_likes" in running.run.ask("GET", "/metrics", flusher)
    assert running.run.ask("GET", "/livez", flusher) == b"200 OK\n"


def test_requests_have_the_id_that_nginx_gives_them_whatever_a_client_says(running: Running) -> None:
    chosen = "chosen-by-the-client"
    running.run.ask("PUT", "/v1/posts/never-liked-before/like", headers={"X-Request-ID": chosen})
    log = (running.run.run.parent / "logs" / "api.log").read_text()
    ids = re.findall(r'"path": "/v1/posts/never-liked-before/like".*"request_id": "(\w+)"', log)
    assert [len(one) for one in ids] == [32]
    assert chosen not in log


@pytest.mark.parametrize("name", ["nginx", "api", "flusher"])
def test_a_service_that_is_killed_comes_back(running: Running, name: str) -> None:
    run = running.run
    before = run.pid(name)
    os.kill(before, signal.SIGKILL)
    run.wait_for(f"{name} died (signal 9) and is started again.")
    wait_until(lambda: run.pid(name) != before, timeout_s=10, what=f"a new {name}")

    def answers() -> bool:
        try:
            return bool(run.ask("GET", "/readyz"))
        except (OSError, AssertionError):
            return False

    wait_until(answers, timeout_s=30, what="an answer")


@pytest.mark.parametrize(("which", "advice"), [("http", "--port"), ("metrics", "LIKEWISE_METRICS_PORT")])
def test_a_taken_port_is_named(tmp_path: Path, which: str, advice: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = free_ports(1)[0]
        settings = Settings(state_dir=tmp_path / "state", metrics_port=port if which == "metrics" else 0)
        said = refusal(settings, free if which == "metrics" else port)
    assert said.startswith(f"Port {port} on 127.0.0.1 is taken by another program.")
    assert advice in said


def test_a_state_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refusal(Settings(state_dir=tmp_path / "file", metrics_port=0), free_ports(1)[0])
    assert said.startswith(f"The state directory {tmp_path}/file cannot be used: it is not a directory.")
    below = refusal(Settings(state_dir=tmp_path / "file" / "below", metrics_port=0), free_ports(1)[0])
    assert "cannot be used: Not a directory. Choose another place with LIKEWISE_STATE_DIR." in below


def test_a_disk_with_too_little_space(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", metrics_port=0)
    said = refusal(settings, free_ports(1)[0], min_free_bytes=2**60)
    assert "MB free, and 1099511627776 MB are needed." in said


def test_a_lost_data_server_ends_it(running: Running) -> None:  # the last one: it ends what the others share
    run = running.run
    family = psutil.Process(run.process.pid).children(recursive=True)
    os.kill(run.pid("valkey-1"), signal.SIGKILL)
    assert run.process.wait(60) == 1
    assert f"valkey-1 died (signal 9). Its log {run.run.parent}/valkey/node-1.log ends with:" in run.output
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert not list(run.run.glob("*.json"))
