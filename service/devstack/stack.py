"""The parts of the local stack, and the order they start and stop in."""

import http.client
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from service.devstack.environment import effective_settings, environment
from service.devstack.nginx import nginx_argv
from service.devstack.postgres import PostgresServer
from service.devstack.processes import HOST, StartError, free_ports, port_is_free, spawn, wait_until
from service.devstack.state import StateDir
from service.devstack.supervisor import Supervisor, said
from service.devstack.valkey import ValkeyCluster
from service.settings import Settings

VALKEY_PORTS = tuple(range(7100, 7106))
POSTGRES_PORTS = (7200, 7201)
_CONFIG = Path(__file__).parent.parent / "server" / "gunicorn_conf.py"
_READY_TIMEOUT_S = 60.0
_DRAIN_TIMEOUT_S = 40.0  # the flusher stores what is pending before it ends


class Stack:
    """Data servers, migrations, API, flusher and NGINX of one state directory."""

    def __init__(
        self,
        settings: Settings,
        state: StateDir,
        say: Callable[[str], None],
        *,
        port: int,
        replicas: bool = False,
        workers: int | None = None,
    ) -> None:
        self.settings = settings
        self.supervisor = Supervisor(state, say)
        self._state = state
        self._say = say
        self._port = port
        self._workers = workers or cores()
        self._flusher_metrics_port = _next_free(settings.metrics_port)
        self._valkey = None if "redis_urls" in settings.model_fields_set else self._cluster(replicas)
        self._postgres = [] if "shard_map" in settings.model_fields_set else self._databases()

    def start(self) -> None:
        """Start everything; return when a request through NGINX is answered."""
        self._start_data()
        self._say("Data servers are up; starting the API ...")
        urls = self._valkey.urls if self._valkey else []
        databases = [server.url for server in self._postgres]
        self.settings = effective_settings(self.settings, self._state, urls, databases)
        env = environment(self.settings, self._state.path / "env")
        self._migrate(env)
        self._start_services(env)

    def stop(self) -> None:
        """Stop everything: NGINX, API, flusher (it drains), Valkey, Postgres."""
        self.supervisor.stop()
        if self._valkey:
            self._valkey.stop()
        for server in self._postgres:
            server.stop()
        self.supervisor.forget()

    def addresses(self) -> str:
        """Where everything listens, for people."""
        lines = [f"Likewise is up: http://{HOST}:{self._port}/"]
        if self.settings.metrics_port:
            at = f"http://{self.settings.metrics_host}"
            lines.append(f"  metrics   {at}:{self.settings.metrics_port}/metrics (the API)")
            lines.append(f"            {at}:{self._flusher_metrics_port}/metrics (the flusher)")
        lines.append(f"  redis     {' '.join(self.settings.redis_urls)}")
        lines.append(f"  postgres  {self.settings.shard_map}")
        lines.append(f"  logs      {self._state.path / 'logs'}")
        return "\n".join([*lines, "Ctrl-C stops it; everything liked is kept."])

    def _cluster(self, replicas: bool) -> ValkeyCluster:
        ports = list(VALKEY_PORTS) if all(_usable(port) for port in VALKEY_PORTS) else None
        memory = 2 * self.settings.queue_bytes  # half for what is pending, half to serve counts from
        directory = self._state.path / "valkey"
        return ValkeyCluster(directory, ports, replicas=replicas, maxmemory_bytes=memory)

    def _databases(self) -> list[PostgresServer]:
        count = min(2, self.settings.shards)
        usable = all(port_is_free(port) for port in POSTGRES_PORTS)
        ports = POSTGRES_PORTS if usable else free_ports(count)
        base = self._state.path
        return [PostgresServer(base / f"postgres-{n}", ports[n]) for n in range(count)]

    def _start_data(self) -> None:
        if self._valkey:
            self._valkey.launch()  # its nodes wait two seconds for each other: time for Postgres to start
        for number, server in enumerate(self._postgres):
            server.start()
            if server.process:
                self.supervisor.adopt(f"postgres-{number}", server.process, server.log, signal.SIGINT)
        if self._valkey:
            self._valkey.wait_formed()
            for number, process in enumerate(self._valkey.processes):
                self.supervisor.adopt(f"valkey-{number}", process, self._valkey.log(number))

    def _migrate(self, env: dict[str, str]) -> None:
        log = self._state.log("migrate")
        child = spawn(_python("service.cli", "migrate"), log=log, env=env)
        try:
            code = child.wait()
        finally:
            child.kill()
            child.wait()
        if code:
            raise StartError(f"The databases could not be prepared (exit code {code}). {said(log)}")

    def _start_services(self, env: dict[str, str]) -> None:
        own = {"LIKEWISE_METRICS_PORT": str(self._flusher_metrics_port)}  # the API has the setting's own
        self.supervisor.run("flusher", _python("service.cli", "flusher"), env | own, stop_timeout_s=_DRAIN_TIMEOUT_S)
        api_port = free_ports(1)[0]
        bind = f"{HOST}:{api_port}"
        quick = ("--graceful-timeout", "8")  # a worker told to stop while it boots does not hear it
        argv = _python("gunicorn", "-c", str(_CONFIG), "--bind", bind, *quick, "service.server.wsgi:app")
        api_env = {  # the flusher is one process: it has no use for a directory that others wipe
            "PROMETHEUS_MULTIPROC_DIR": str(self._state.run / "metrics"),
            "WEB_CONCURRENCY": str(self._workers),
        }
        self.supervisor.run("api", argv, env | api_env)
        self._wait_ready(api_port)
        nginx = nginx_argv(
            self._state.run,
            self._state.log("nginx"),
            port=self._port,
            api_port=api_port,
            workers=min(2, self._workers),
        )
        self.supervisor.run("nginx", nginx, env, stop_signal=signal.SIGQUIT, stop_timeout_s=3)
        self._wait_ready(self._port)

    def _wait_ready(self, port: int) -> None:
        def ready() -> bool:
            self.supervisor.check(restart=False)
            return _get(port, "/readyz") == 200

        wait_until(ready, timeout_s=_READY_TIMEOUT_S, what=f"/readyz on port {port}", every_s=0.1)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _next_free(port: int) -> int:
    """A port for a second process' metrics: the one after the first's, if it is free; 0 where there are none."""
    if not port or (port < 65_535 and port_is_free(port + 1)):
        return port and port + 1
    return free_ports(1)[0]


def _usable(port: int) -> bool:
    return port_is_free(port) and port_is_free(port + 10_000)


def _python(module: str, *args: str) -> Sequence[str]:
    return [sys.executable, "-m", module, *args]


def _get(port: int, path: str) -> int:
    """Return the status of a GET; 0 where nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status
    return 0
