"""Start and stop the parts of the local stack, in order."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from service.devstack.data_servers import DataServers
from service.devstack.environment import effective_settings, environment
from service.devstack.nginx import nginx_argv
from service.devstack.ports import PortAllocator, is_listening, reachable_host, status_of
from service.devstack.processes import HOST, StartError, wait_until
from service.devstack.state import StateDir
from service.devstack.supervisor import Child, Supervisor
from service.settings import Settings
from service.storage.postgres.migrate import migrate

_GUNICORN_CONFIG = Path(__file__).parent.parent / "server" / "gunicorn_conf.py"
_READY_TIMEOUT_S = 60.0
# The flusher stores what is pending before it ends.
_DRAIN_TIMEOUT_S = 40.0
# A worker that boots does not notice a signal to stop.
_API_GRACE_S = 8
# A worker of NGINX passes on as many likes as four API workers count. Two that are less busy would wake up more often.
_API_WORKERS_OF_NGINX = 4


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
        self._workers = workers or available_cores()
        self._ports = PortAllocator(say)
        # `--port 0` asks for free ports everywhere, not only for NGINX.
        usual = port != 0
        self._port = self._ports.choose(port, "NGINX")
        self._api_port = self._ports.choose(0, "The API")
        self._metrics_port, self._flusher_metrics_port = self._choose_metrics_ports(usual)
        self._data = DataServers(settings, state, self._ports, replicas=replicas, prefer_usual_ports=usual)

    def start(self) -> None:
        """Start everything and return when a request through NGINX is answered."""
        self._data.start(self.supervisor)
        self._say("Data servers are up. Starting the API ...")
        settings = self.settings.model_copy(update={"metrics_port": self._metrics_port})
        self.settings = effective_settings(settings, self._state, self._data.redis_urls, self._data.databases)
        env = environment(self.settings, self._state.path / "env")
        self._migrate()
        self._start_flusher(env)
        self._start_api(env)
        self._start_nginx(env)

    def stop(self) -> None:
        """Stop everything in this order: NGINX, API, flusher (after storing what is pending), Valkey, Postgres."""
        self.supervisor.stop()
        self._data.stop()
        self.supervisor.forget()
        self._ports.release()

    def addresses(self) -> str:
        """Return a text for people that lists every address."""
        lines = [f"Likewise is up: http://{HOST}:{self._port}/"]
        if self._metrics_port:
            at = f"http://{reachable_host(self.settings.metrics_host)}"
            lines.append(f"  metrics   {at}:{self._metrics_port}/metrics (the API)")
            lines.append(f"            {at}:{self._flusher_metrics_port}/metrics (the flusher)")
        lines.append(f"  redis     {' '.join(self.settings.redis_urls)}")
        lines.append(f"  postgres  {self.settings.shard_map}")
        lines.append(f"  logs      {self._state.path / 'logs'}")
        return "\n".join([*lines, "Press Ctrl-C to stop. All likes are kept."])

    def _choose_metrics_ports(self, usual: bool) -> tuple[int, int]:
        """Return the metrics ports of the API and of the flusher. Both are 0 if metrics are switched off."""
        port, host = self.settings.metrics_port, self.settings.metrics_host
        if not port:
            return 0, 0
        if not usual and "metrics_port" not in self.settings.model_fields_set:
            port = 0
        chosen = self._ports.choose(port, "/metrics of the API", host=host)
        return chosen, self._ports.choose(chosen + 1 if port else 0, "/metrics of the flusher", host=host)

    def _migrate(self) -> None:
        try:
            migrate(self.settings)
        except psycopg.Error as error:
            raise StartError(f"The databases could not be migrated: {error}") from error

    def _start_flusher(self, env: dict[str, str]) -> None:
        own = {"LIKEWISE_METRICS_PORT": str(self._flusher_metrics_port)}
        argv = _python("service.cli", "flusher")
        self.supervisor.start("flusher", argv, env | own, stop_timeout_s=_DRAIN_TIMEOUT_S)

    def _start_api(self, env: dict[str, str]) -> None:
        bind = ("--bind", f"{HOST}:{self._api_port}", "--graceful-timeout", str(_API_GRACE_S))
        argv = _python("gunicorn", "-c", str(_GUNICORN_CONFIG), *bind, "service.server.wsgi:app")
        # Only the API has several processes, which share their metrics in a directory.
        own = {
            "PROMETHEUS_MULTIPROC_DIR": str(self._state.run / "metrics"),
            "WEB_CONCURRENCY": str(self._workers),
        }
        self._wait_ready(self.supervisor.start("api", argv, env | own), self._api_port)

    def _start_nginx(self, env: dict[str, str]) -> None:
        argv = nginx_argv(
            self._state.run,
            self._state.log("nginx"),
            port=self._port,
            api_port=self._api_port,
            workers=max(1, self._workers // _API_WORKERS_OF_NGINX),
        )
        child = self.supervisor.start("nginx", argv, env, stop_signal=signal.SIGQUIT, stop_timeout_s=3)
        self._wait_ready(child, self._port)

    def _wait_ready(self, child: Child, port: int) -> None:
        def is_ready() -> bool:
            self.supervisor.check(restart=False)
            # Another program's server may answer on the port, so nothing is sent before ours listens there.
            return is_listening(child.process, port) and status_of(port, "/readyz") == 200

        wait_until(is_ready, timeout_s=_READY_TIMEOUT_S, what=f"/readyz on port {port}", every_s=0.1)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _python(module: str, *args: str) -> Sequence[str]:
    return [sys.executable, "-m", module, *args]
