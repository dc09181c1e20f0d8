"""A stopping worker answers every request, ends idle connections soon, and resets none."""

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

from service.devstack.nginx import UPSTREAM_IDLE_S
from service.server.worker import LINGER_S
from tests.support.app_factory import SECRET
from tests.support.graceful_shutdown import FLASK, LOOP, connect, pod, request_once, send_request
from tests.support.waiting import wait_for

# NGINX keeps idle connections to its upstreams for this long by default.
NGINX_IDLE_S = 60
BOTH_WAYS = pytest.mark.parametrize("path", [LOOP, FLASK], ids=["loop", "gunicorn"])


def ended(line: http.client.HTTPConnection) -> bool:
    """Return whether the server has closed an idle connection: no byte, no reset."""
    line.sock.settimeout(20)
    return line.sock.recv(1) == b""


@BOTH_WAYS
def test_requests_after_the_signal_are_answered_and_the_worker_ends_soon(tmp_path, path):
    with pod(tmp_path / "gate") as (server, port), closing(connect(port)) as kept, closing(connect(port)) as idle:
        assert send_request(kept, *path)[0] == send_request(idle, *path)[0] == 200
        server.terminate()
        # Also on new connections.
        wait_for(lambda: request_once(port, *path) == (200, "close"))
        assert send_request(kept, *path) == (200, "close")
        assert ended(idle)
        # Half of the time that unfinished requests get.
        assert server.wait(12) == 0


def test_without_keep_alive_a_worker_stops_in_the_same_order(tmp_path):
    with pod(tmp_path / "gate", "--keep-alive", "0") as (server, port):
        assert request_once(port, "GET", "/readyz") == (200, "close")
        server.terminate()
        wait_for(lambda: request_once(port, "GET", "/readyz") == (503, "close"))


def test_an_idle_connection_is_not_closed_at_once(tmp_path):
    with pod(tmp_path / "gate") as (server, port), closing(connect(port)) as idle:
        assert send_request(idle, *LOOP)[0] == 200
        terminated_at = time.monotonic()
        server.terminate()
        assert ended(idle)
        assert time.monotonic() - terminated_at >= LINGER_S


def test_a_request_in_progress_is_finished(tmp_path):
    gate = tmp_path / "gate"
    with pod(gate) as (server, port), ThreadPoolExecutor(1) as pool:
        slow = pool.submit(request_once, port, "PUT", "/v1/posts/slow/like")
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
    """Sends requests over one connection as fast as it can. It reconnects only after `Connection: close`."""

    def __init__(self, port: int, done: threading.Event) -> None:
        super().__init__()
        self.answered = 0
        self.lost: list[str] = []
        self._port = port
        self._ended = done

    def run(self) -> None:
        line = connect(self._port)
        while not self._ended.is_set():
            path = (LOOP, FLASK)[self.answered % 2]
            try:
                status, connection = send_request(line, *path)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                status, connection = 0, "close"
            self.answered += status == 200
            if connection == "close":
                line.close()
                line = connect(self._port)
        line.close()


@contextmanager
def callers(port: int) -> Iterator[list[Caller]]:
    """Run four callers. None may lose a request."""
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


def test_a_worker_at_max_requests_is_replaced_without_a_lost_request(tmp_path):
    with pod(tmp_path / "gate", "--max-requests", "300") as (server, port), callers(port) as threads:
        before = workers(server)
        wait_for(lambda: workers(server) and not workers(server) & before, 30)
        reached = sum(thread.answered for thread in threads)
        wait_for(lambda: sum(thread.answered for thread in threads) > reached + 100)


def workers(server: subprocess.Popen[str]) -> set[int]:
    return {child.pid for child in psutil.Process(server.pid).children()}


def test_connections_are_kept_longer_than_proxies_keep_them(tmp_path):
    """Otherwise NGINX would sometimes send into a connection that is just being closed."""
    config = ("-c", "python:service.server.gunicorn_conf", "--print-config", "service.server.wsgi:app")
    env = os.environ | {"LIKEWISE_SECRET": SECRET, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = partial(subprocess.run, env=env, capture_output=True, text=True, check=True, timeout=60)
    lines = run([sys.executable, "-m", "gunicorn", *config]).stdout.splitlines()
    kept_s = next(int(line.split("=")[1]) for line in lines if line.startswith("keepalive "))
    assert kept_s > max(UPSTREAM_IDLE_S, NGINX_IDLE_S)
