"""A monitored stack: servers, two pods, a flusher, an autoscaler, Prometheus, and constant traffic."""

import http.client
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.auth.visitor_token import mint
from service.bootstrap.stores import Stores, open_stores
from service.devstack.processes import HOST, free_ports, spawn, terminate
from tests.support.autoscaler.autoscaled_stack import Autoscaler, scaling
from tests.support.stack.faults import post_in
from tests.support.stack.processes import environment
from tests.support.stack.prometheus import Prometheus, scraping
from tests.support.stack.servers import SHARDS, Servers
from tests.support.stack.servers import running as running_servers
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
# Small enough for a test to fill it.
QUEUE_BYTES = 24_000


@dataclass
class Traffic:
    """Constant requests: likes, each of another visitor, and counts."""

    ports: list[int]
    secret: bytes
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for port in self.ports:
            thread = threading.Thread(target=self._read_and_like, args=(port,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read_and_like(self, port: int) -> None:
        for post in itertools.cycle(POSTS):
            if self._stop.wait(0.02):
                return
            with suppress(OSError, http.client.HTTPException):
                ask(port, "PUT", f"/v1/posts/{post}/like", mint(self.secret))
                ask(port, "GET", f"/v1/posts/{post}/count")


def ask(port: int, method: str, path: str, visitor: str = "") -> int:
    """Send a request, and return the status of the response."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(method, path, headers={"Likewise-Visitor": visitor} if visitor else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@dataclass
class MonitoredStack:
    """A running, monitored stack."""

    servers: Servers
    stores: Stores
    prometheus: Prometheus
    pods: list[int]
    pod_processes: list[subprocess.Popen[bytes]]
    secret: bytes
    logs: dict[str, Path]
    start_flusher: Callable[[], subprocess.Popen[bytes]]
    flusher: subprocess.Popen[bytes]
    autoscaler: Autoscaler

    def wait_firing(self, *alerts: str, timeout_s: float = 60) -> None:
        """Wait until all of the alerts fire."""
        wait_for(lambda: self.prometheus.firing() >= set(alerts), timeout_s, every_s=0.2)

    def wait_no_alert(self, timeout_s: float = 90) -> None:
        """Wait until no alert fires."""
        firing: set[str] = set()

        def is_quiet() -> bool:
            firing.clear()
            firing.update(self.prometheus.firing())
            return not firing

        try:
            wait_for(is_quiet, timeout_s, every_s=0.2)
        except AssertionError as error:
            raise AssertionError(f"still firing: {sorted(firing)}") from error


@contextmanager
def run_monitored_stack(root: Path) -> Iterator[MonitoredStack]:
    """Run the stack until the end of the block."""
    ports = free_ports(6)
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers(root, node_timeout_ms=1_000))
        env = environment(
            servers,
            WEB_CONCURRENCY="1",
            LIKEWISE_METRICS_HOST=HOST,
            LIKEWISE_QUEUE_BYTES=str(QUEUE_BYTES),
            LIKEWISE_CHECK_INTERVAL_MS="200",
            LIKEWISE_FLUSH_AGE_MS="200",
            # Longer than the pauses of a slow Redis, so that late replies are not errors.
            LIKEWISE_REDIS_TIMEOUT_MS="2000",
            LIKEWISE_REDIS_DEADLINE_MS="4000",
        )
        gunicorn = ["-m", "gunicorn", "-c", "python:service.server.gunicorn_conf", "service.server.wsgi:app", "--bind"]
        logs = {name: root / f"{name}.log" for name in ("pod-0", "pod-1", "flusher")}

        def start(name: str, metrics_port: int, *args: str) -> subprocess.Popen[bytes]:
            own = {
                "LIKEWISE_METRICS_PORT": str(metrics_port),
                "PROMETHEUS_MULTIPROC_DIR": str(root / f"{name}-metrics"),
            }
            process = spawn([sys.executable, *args], log=logs[name], env=env | own)
            stack.callback(terminate, [process], timeout_s=20)
            return process

        def start_flusher() -> subprocess.Popen[bytes]:
            return start("flusher", ports[4], "-m", "service.cli", "flusher")

        pods = [start(f"pod-{at}", ports[2 + at], *gunicorn, f"{HOST}:{ports[at]}") for at in range(2)]
        flusher = start_flusher()
        autoscaler = stack.enter_context(scaling(servers.settings.redis_urls, ports[5]))
        targets = {"api": ports[2:4], "flusher": ports[4:5], "autoscaler": ports[5:]}
        prometheus = stack.enter_context(scraping(root, targets))
        wait_for(lambda: list(prometheus.up().values()) == [1, 1, 1, 1], 60, every_s=0.2)
        stores = stack.enter_context(open_stores(servers.settings))
        secret = servers.settings.secret.get_secret_value().encode()
        traffic = Traffic(ports[:2], secret)
        traffic.start()
        stack.callback(traffic.stop)
        yield MonitoredStack(
            servers, stores, prometheus, ports[:2], pods, secret, logs, start_flusher, flusher, autoscaler
        )
