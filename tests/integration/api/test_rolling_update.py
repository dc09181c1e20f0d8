"""Pods behind NGINX are replaced under load. NGINX does not retry here, so every lost request shows."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.devstack.nginx import nginx_binary
from service.devstack.processes import HOST, free_ports, make_reachable, terminate
from tests.support.graceful_shutdown import FLASK, LOOP, pod, request_once
from tests.support.waiting import wait_for

CONFIG = """\
daemon off; pid {root}/nginx.pid; error_log {root}/nginx.log warn; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    upstream api {{ least_conn; {servers} keepalive 32; }}
    server {{
        listen {host}:{port} backlog=1024;
        location / {{
            proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off;
        }}
    }}
}}
"""


class Gateway:
    """NGINX in front of pods, as an ingress controller configures and reloads it."""

    def __init__(self, root: Path) -> None:
        self.port = free_ports(1)[0]
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def route_to(self, ports: Sequence[int]) -> None:
        """Send requests to these pods from now on."""
        servers = " ".join(f"server {HOST}:{port} max_fails=0;" for port in ports)
        text = CONFIG.format(root=self._root, servers=servers, host=HOST, port=self.port)
        (self._root / "nginx.conf").write_text(text)
        if self._process is None:
            self._process = subprocess.Popen(self._command())
            wait_for(lambda: _status(self.port) == 200)
        else:
            subprocess.run(self._command("-s", "reload"), check=True, timeout=30)

    def _command(self, *more: str) -> list[str]:
        conf = str(self._root / "nginx.conf")
        return [str(nginx_binary()), "-p", str(self._root), "-c", conf, "-e", str(self._root / "nginx.log"), *more]

    def stop(self) -> None:
        if self._process:
            terminate([self._process], timeout_s=5)


def _status(port: int, path: tuple[str, str] = FLASK) -> int:
    try:
        return request_once(port, *path)[0]
    except OSError:
        return 0


@contextmanager
def callers(port: int) -> Iterator[list[int]]:
    """Run four callers with a new connection for each request, and yield the statuses."""
    answered: list[int] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            answered.append(_status(port, (LOOP, FLASK)[len(answered) % 2]))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Make an NGINX, and stop it at the end."""
    make_reachable(tmp_path)
    found = Gateway(tmp_path)
    yield found
    found.stop()


def test_pods_are_replaced_one_by_one_without_a_failed_request(tmp_path: Path, gateway: Gateway) -> None:
    with ExitStack() as stack:

        def start_pod(name: str) -> tuple[subprocess.Popen[str], int]:
            return stack.enter_context(pod(tmp_path / name))

        running = [start_pod("0"), start_pod("1")]
        gateway.route_to([port for _, port in running])
        with callers(gateway.port) as answered:
            for number in (2, 3, 4):
                running.append(start_pod(str(number)))
                gateway.route_to([port for _, port in running])
                old, _ = running.pop(0)
                gateway.route_to([port for _, port in running])
                # Without the wait of a preStop hook: NGINX has been told, but has not reloaded yet.
                old.terminate()
                assert old.wait(30) == 0
                reached = len(answered)
                wait_for(lambda reached=reached: len(answered) > reached + 200, 60)
    assert set(answered) == {200}
