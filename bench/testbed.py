"""Run the servers of the bench below one temporary directory. Those of the peers are in peers/servers.py."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from pydantic import SecretStr

from bench.cpu import Parts
from service.devstack.nginx import nginx_argv
from service.devstack.ports import status_of
from service.devstack.postgres import PostgresServer
from service.devstack.processes import HOST, StartError, free_ports, make_reachable, spawn, tail, terminate, wait_until
from service.devstack.valkey import ValkeyCluster
from service.settings import Settings
from service.storage.postgres.migrate import migrate
from service.storage.postgres.shard_map import parse_shard_map

_ROOT = Path(__file__).parent.parent
_GUNICORN_CONFIG = _ROOT / "service" / "server" / "gunicorn_conf.py"
# A million pending likes must fit, so this limit is never reached.
_MEMORY_BYTES = 4 * 2**30
_READY_S = 60.0
_NO_LIMIT = "1000000000/minute"
_OURS = "service.server.wsgi:app"


class Testbed:
    """Servers by name, with the `processes` and the `ports` of each."""

    def __init__(self, root: Path, cleanup: ExitStack) -> None:
        self.root = root
        self.processes: dict[str, list[psutil.Process]] = {}
        self.ports: dict[str, int] = {}
        self.incr_url = self.textbook_url = ""
        self.settings = Settings(queue_bytes=_MEMORY_BYTES // 2, secret=SecretStr(secrets.token_urlsafe(36)))
        self._cleanup = cleanup
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("LIKEWISE_")}
        # Through NGINX all likes come from this machine. Its network is counted like any other, and never at its limit.
        self.env |= {"LIKEWISE_METRICS_PORT": "0", "LIKEWISE_NETWORK_LIMIT": _NO_LIMIT, "WEB_CONCURRENCY": "1"}
        self._flusher: subprocess.Popen[bytes] | None = None

    def parts(self, *names: str) -> Parts:
        """Return the processes of some servers."""
        return {name: self.processes[name] for name in names}

    def start_service(self) -> None:
        """Start Likewise: cluster, two databases, flusher, a pod with one worker, one without load reports, NGINX."""
        cluster = self.cluster("redis")
        databases = [self.database(f"postgres-{at}") for at in range(2)]
        self.processes["postgres"] = self.processes.pop("postgres-0") + self.processes.pop("postgres-1")
        half = self.settings.shards // 2
        shard_map = f"0-{half - 1}={databases[0].url} {half}-{self.settings.shards - 1}={databases[1].url}"
        self.settings = self.settings.model_copy(update={"redis_urls": cluster.urls, "shard_map": shard_map})
        migrate(self.settings)
        self.env |= {
            "LIKEWISE_REDIS_URLS": ",".join(cluster.urls),
            "LIKEWISE_SHARD_MAP": shard_map,
            "LIKEWISE_SECRET": self.settings.secret.get_secret_value(),
            "LIKEWISE_QUEUE_BYTES": str(self.settings.queue_bytes),
        }
        self.start_flusher()
        self.pod("pod", _OURS, ready="/readyz")
        self.pod("pod-silent", _OURS, ready="/readyz", LIKEWISE_LOAD_REPORT_MS="0")
        self.nginx("nginx", "pod")

    def launch_pod(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start one more pod as the image does, and return it with its port. The caller waits for it and ends it."""
        port = free_ports(1)[0]
        argv = [sys.executable, "-m", "service.cli", "api", "--bind", f"{HOST}:{port}"]
        env = {"PROMETHEUS_MULTIPROC_DIR": str(self.root / "new-pod-metrics")}
        return self._run("new-pod", argv, env), port

    def start_flusher(self) -> None:
        """Start a flusher."""
        self._flusher = self._run("flusher", [sys.executable, "-m", "service.cli", "flusher"], timeout_s=40)

    def stop_flusher(self) -> None:
        """Stop the flusher. Likes wait in the stream from now on."""
        if self._flusher:
            terminate([self._flusher], timeout_s=40)

    def vacuum(self) -> None:
        """Do now what autovacuum would do within a minute, in the middle of a round."""
        for database in parse_shard_map(self.settings.shard_map, self.settings.shards):
            with psycopg.connect(database.url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def cluster(self, name: str) -> ValkeyCluster:
        """Start a Valkey cluster of three primaries."""
        cluster = ValkeyCluster(self.root / name, replicas=False, maxmemory_bytes=_MEMORY_BYTES)
        self._cleanup.callback(cluster.stop)
        cluster.start()
        self.processes[name] = [psutil.Process(one.pid) for one in cluster.processes]
        return cluster

    def database(self, name: str) -> PostgresServer:
        """Start a Postgres server."""
        server = PostgresServer(self.root / name)
        self._cleanup.callback(server.stop)
        server.start()
        assert server.process
        self.processes[name] = [psutil.Process(server.process.pid)]
        return server

    def pod(self, name: str, app: str, *more: str, ready: str = "/", **env: str) -> None:
        """Start gunicorn with one worker, and return when `ready` is answered."""
        argv = [sys.executable, "-m", "gunicorn", "-c", str(_GUNICORN_CONFIG), *more]
        self.serve(
            name, lambda port: [*argv, "--bind", f"{HOST}:{port}", app], ready,
            {"PROMETHEUS_MULTIPROC_DIR": str(self.root / f"{name}-metrics"), **env},
        )  # fmt: skip

    def nginx(self, name: str, api: str) -> None:
        """Start NGINX with one worker in front of the server `api`, configured as `likewise up` does."""
        run = self.root / name
        run.mkdir()

        def argv(port: int) -> list[str]:
            parts = nginx_argv(run, self._log(name), port=port, api_port=self.ports[api], workers=1, cache=True)
            return [str(part) for part in parts]

        self.serve(name, argv, "/readyz", stop_signal=signal.SIGQUIT, timeout_s=3)

    def serve(
        self,
        name: str,
        argv: Callable[[int], Sequence[str]],
        ready: str = "/",
        env: Mapping[str, str] | None = None,
        **stop: Any,
    ) -> None:
        """Start a server by the command that `argv` returns for a port, and return when `ready` is answered."""
        port = self.ports[name] = free_ports(1)[0]
        self._run(name, argv(port), env, **stop)
        self._wait(name, ready)

    def _run(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 10,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        process = spawn(argv, log=self._log(name), cwd=_ROOT, env={**self.env, **(env or {})})
        self._cleanup.callback(partial(terminate, [process], timeout_s=timeout_s, stop_signal=stop_signal))
        self.processes[name] = [psutil.Process(process.pid)]
        return process

    def _wait(self, name: str, path: str) -> None:
        port = self.ports[name]
        try:
            wait_until(lambda: _answers(port, path), timeout_s=_READY_S, what=f"{name}{path}", every_s=0.1)
        except StartError as error:
            raise StartError(f"{error} {tail(self._log(name))}") from error

    def _log(self, name: str) -> Path:
        return self.root / f"{name}.log"


@contextmanager
def open_testbed() -> Iterator[Testbed]:
    """Yield an empty testbed. At the end its servers are stopped and its directory is removed."""
    # /tmp may be in memory, where fsync costs nothing.
    disk = Path("/var/tmp")  # noqa: S108
    root = Path(tempfile.mkdtemp(prefix="likewise-bench-", dir=disk if os.access(disk, os.W_OK) else None))
    # If this process is root, Postgres runs as another account.
    make_reachable(root / "postgres")
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, root, ignore_errors=True)
        yield Testbed(root, cleanup)


def _answers(port: int, path: str) -> bool:
    # A server without this route answers 404, which is sufficient.
    return 0 < status_of(port, path) < 500
