"""Run a pod whose requests can be held back, and send requests to it one by one."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from flask import Flask

from service.core.likes import LikeRequest, LikeState
from service.settings import Ack
from tests.support.app_factory import fake_api
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
GATE = "LIKEWISE_TEST_GATE"
LOOP, FLASK = ("GET", "/v1/posts/a/count"), ("GET", "/livez")


def gated_app() -> Flask:
    """Make an app on fake stores. A like of the post `slow` waits until the gate's file exists."""
    api = fake_api()
    submit = api.counter.submit

    def wait(request: LikeRequest, ack: Ack) -> LikeState:
        if request.post == "slow":
            Path(os.environ[GATE] + ".waits").touch()
            wait_for(Path(os.environ[GATE]).exists)
        return submit(request, ack)

    api.counter.submit = wait
    return api.app


@contextmanager
def pod(gate: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run gunicorn with one worker, and yield its process and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = ("-c", "python:service.server.gunicorn_conf", "--bind", f"127.0.0.1:{port}", "--workers", "1")
    command = [sys.executable, "-m", "gunicorn", *config, *options, "tests.support.graceful_shutdown:gated_app()"]
    env = os.environ | {GATE: str(gate), "LIKEWISE_METRICS_PORT": "0", "PYTHONPATH": str(ROOT)}
    env |= {"PROMETHEUS_MULTIPROC_DIR": str(gate) + ".metrics"}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=env) as server:
        try:
            wait_for(lambda: _is_up(port), 30)
            yield server, port
        finally:
            gate.touch()
            server.terminate()
            server.wait(30)


def _is_up(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return request_once(port, *FLASK)[0] == 200
    return False


def connect(port: int) -> http.client.HTTPConnection:
    """Open a connection to the pod."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def send_request(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, str]:
    """Return the status of a response and its Connection header."""
    connection.request(method, path)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get("Connection", "")


def request_once(port: int, method: str, path: str) -> tuple[int, str]:
    """Send a request over a new connection."""
    with closing(connect(port)) as connection:
        return send_request(connection, method, path)
