"""A worker that is told to stop: what was sent is answered, what is idle ends soon, and nothing is reset."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from flask import Flask

from service.core.likes import LikeRequest, LikeState
from service.devstack.nginx import UPSTREAM_IDLE_S
from service.server.worker import LINGER_S
from service.settings import Ack
from tests.support.app_factory import SECRET, memory
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[3]
GATE = "LIKEWISE_TEST_GATE"
NGINX_IDLE_S = 60  # what NGINX keeps idle connections to its upstreams for, if it is not told otherwise
LANE, FLASK = ("GET", "/v1/posts/a/count"), ("GET", "/livez")
BOTH_WAYS = pytest.mark.parametrize("way", [LANE, FLASK], ids=["lane", "gunicorn"])


def gated_app() -> Flask:
    """The app on fake stores, where a wish for the post `slow` waits until the gate's file is there."""
    world = memory()
    submit = world.counter.submit

    def wait(asked: LikeRequest, ack: Ack) -> LikeState:
        if asked.post == "slow":
            Path(os.environ[GATE] + ".waits").touch()
            wait_for(Path(os.environ[GATE]).exists)
        return submit(asked, ack)

    world.counter.submit = wait
    return world.app


@contextmanager
def pod(gate: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """gunicorn with one worker, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = ("-c", "python:service.server.gunicorn_conf", "--bind", f"127.0.0.1:{port}", "--workers", "1")
    command = [sys.executable, "-m", "gunicorn", *config, *more, "tests.integration.api.test_going:gated_app()"]
    env = os.environ | {GATE: str(gate), "LIKEWISE_METRICS_PORT": "0", "PYTHONPATH": str(ROOT)}
    env |= {"PROMETHEUS_MULTIPROC_DIR": str(gate) + ".metrics"}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=env) as server:
        try:
            wait_for(lambda: _answers(port), 30)
            yield server, port
        finally:
            gate.touch()
            server.terminate()
            server.wait(30)


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return ask_anew(port, *FLASK)[0] == 200
    return False


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def ask(line: http.client.HTTPConnection, method: str, path: str) -> tuple[int, str]:
    """Status, and what the answer says about the connection."""
    line.request(method, path)
    answer = line.getresponse()
    answer.read()
    return answer.status, answer.headers.get("Connection", "")


def ask_anew(port: int, method: str, path: str) -> tuple[int, str]:
    """The same over a connection of its own."""
    with closing(connect(port)) as line:
        return ask(line, method, path)


def ended(line: http.client.HTTPConnection) -> bool:
    """Whether the server has ended an idle connection in order: no byte, no reset."""
    line.sock.settimeout(20)
    return line.sock.recv(1) == b""


@BOTH_WAYS
def test_what_is_sent_after_the_signal_is_answered_and_the_worker_is_soon_gone(tmp_path, way):
    with pod(tmp_path / "gate") as (server, port), closing(connect(port)) as kept, closing(connect(port)) as idle:
        assert ask(kept, *way)[0] == ask(idle, *way)[0] == 200
        server.terminate()
        wait_for(lambda: ask_anew(port, *way) == (200, "close"))  # on new connections too
        assert ask(kept, *way) == (200, "close")
        assert ended(idle)
        assert server.wait(12) == 0  # half of what unfinished requests get


def test_an_idle_connection_is_not_ended_at_once(tmp_path):
    with pod(tmp_path / "gate") as (server, port), closing(connect(port)) as idle:
        assert ask(idle, *LANE)[0] == 200
        told = time.monotonic()
        server.terminate()
        assert ended(idle)
        assert time.monotonic() - told >= LINGER_S


def test_a_request_under_way_is_finished(tmp_path):
    gate = tmp_path / "gate"
    with pod(gate) as (server, port), ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask_anew, port, "PUT", "/v1/posts/slow/like")
        wait_for(Path(f"{gate}.waits").exists)
        server.terminate()
        wait_for(lambda: not _listens(port))
        assert not slow.done()
        gate.touch()
        assert slow.result(20) == (201, "close")
        assert server.wait(20) == 0


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


class Caller(threading.Thread):
    """Asks over one connection as fast as it can, and takes another one only where it was told that this one ends."""

    def __init__(self, port: int, done: threading.Event) -> None:
        super().__init__()
        self.answered = 0
        self.lost: list[str] = []
        self._port = port
        self._ended = done

    def run(self) -> None:
        line = connect(self._port)
        while not self._ended.is_set():
            way = (LANE, FLASK)[self.answered % 2]
            try:
                status, said = ask(line, *way)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                status, said = 0, "close"
            self.answered += status == 200
            if said == "close":
                line.close()
                line = connect(self._port)
        line.close()


@contextmanager
def callers(port: int) -> Iterator[list[Caller]]:
    """Four at a time; each must have lost nothing."""
    done = threading.Event()
    threads = [Caller(port, done) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
    assert [lost for thread in threads for lost in thread.lost] == []


def test_a_worker_is_replaced_without_a_lost_request(tmp_path):
    with pod(tmp_path / "gate") as (server, port), callers(port) as threads:
        for _ in range(2):
            before = workers(server)
            server.send_signal(signal.SIGHUP)
            wait_for(lambda before=before: workers(server) and not workers(server) & before, 30)
            reached = sum(thread.answered for thread in threads)
            wait_for(lambda reached=reached: sum(thread.answered for thread in threads) > reached + 100)


def test_a_worker_that_has_answered_enough_is_replaced_without_a_lost_request(tmp_path):
    with pod(tmp_path / "gate", "--max-requests", "300") as (server, port), callers(port) as threads:
        before = workers(server)
        wait_for(lambda: workers(server) and not workers(server) & before, 30)
        reached = sum(thread.answered for thread in threads)
        wait_for(lambda: sum(thread.answered for thread in threads) > reached + 100)


def workers(server: subprocess.Popen[str]) -> set[int]:
    return {child.pid for child in psutil.Process(server.pid).children()}


def test_connections_are_kept_longer_than_a_proxy_keeps_them(tmp_path):
    """Else NGINX would now and then send into a connection that is just being closed."""
    config = ("-c", "python:service.server.gunicorn_conf", "--print-config", "service.server.wsgi:app")
    env = os.environ | {"LIKEWISE_SECRET": SECRET, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = partial(subprocess.run, env=env, capture_output=True, text=True, check=True, timeout=60)
    lines = run([sys.executable, "-m", "gunicorn", *config]).stdout.splitlines()
    kept_s = next(int(line.split("=")[1]) for line in lines if line.startswith("keepalive "))
    assert kept_s > max(UPSTREAM_IDLE_S, NGINX_IDLE_S)
