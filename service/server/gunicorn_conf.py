"""How gunicorn runs the API. The address comes from `--bind`, the number of workers from WEB_CONCURRENCY."""

import gc
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from service.bootstrap.runtime import runtime_of
from service.observability.logging import stdlib_config
from service.settings import Settings

_METRICS_DIR = Path(
    os.environ.setdefault(
        "PROMETHEUS_MULTIPROC_DIR", str(Path(tempfile.gettempdir()) / f"likewise-metrics-{os.getpid()}")
    )
)
_GARBAGE = 10_000  # objects made and not freed before a collection; by default 700, which is many times a second
_metrics_socket: socket.socket | None = None


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's, without the access log that it writes as soon as logs are configured: it would name each client."""

    def access(self, *_: object) -> None:
        pass


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


bind = "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY") or _cores())
worker_class = "service.server.worker.Worker"  # gevent, with a fast lane for likes and counts
worker_connections = 4_000  # live streams hold one each
backlog = 2_048
keepalive = 75  # seconds; above the upstream idle time of any NGINX in front, else it answers 502
timeout = 30
graceful_timeout = 25
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a heartbeat must not wait for a disk
limit_request_line = 0  # a hundred ids pass 8 KB, gunicorn's highest limit; NGINX in front holds it at 32 KB
forwarded_allow_ips = "127.0.0.1,::1"  # never `*`; the API itself reads X-Forwarded-For, by its own list
control_socket_disable = True
accesslog = None
logger_class = _Log
errorlog = "-"
logconfig_dict = stdlib_config()


def on_starting(server: Any) -> None:
    """Once, before the first worker: numbers of an earlier run would be added to ours."""
    shutil.rmtree(_METRICS_DIR, ignore_errors=True)
    _METRICS_DIR.mkdir(parents=True)


def when_ready(server: Any) -> None:
    """Once, in the arbiter: serve the sum over all workers on the metrics port (0: nowhere)."""
    global _metrics_socket
    settings = Settings()
    if not settings.metrics_port:
        return
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        http, _ = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        reason = f"LIKEWISE_METRICS_PORT: can't listen at {where}: {error.strerror}"
        print(f"Likewise can't start: {reason}", file=sys.stderr)  # noqa: T201 - for people, as in wsgi.py
        raise SystemExit(4) from error
    _metrics_socket = http.socket
    server.log.info("Metrics at http://%s:%s/metrics", settings.metrics_host, settings.metrics_port)


def post_fork(server: Any, worker: Any) -> None:
    """A worker must not hold the metrics port: it may outlive the arbiter for a moment."""
    if _metrics_socket is not None:
        _metrics_socket.close()


def post_worker_init(worker: Any) -> None:
    """The app asks Redis and Postgres whether they answer, from here on: threads of before the fork are gone.

    A full collection of garbage stops all requests of the worker, and would go through all modules each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    if runtime := runtime_of(worker.wsgi):
        runtime.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Close the app's sockets and pools while greenlets still run; at interpreter exit it is too late."""
    if runtime := runtime_of(getattr(worker, "wsgi", None)):
        runtime.close()


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that has died."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Leave nothing in the temporary directory."""
    shutil.rmtree(_METRICS_DIR, ignore_errors=True)
