"""Configure gunicorn for the API. `--bind` sets the address, and WEB_CONCURRENCY the number of workers."""

import gc
import os
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from service.bootstrap.runtime import runtime_of
from service.errors import ConfigurationError
from service.file_limit import raise_file_limit
from service.observability.logging import stdlib_config
from service.settings import settings_from_environment

_METRICS_DIR = Path(
    os.environ.setdefault(
        "PROMETHEUS_MULTIPROC_DIR", str(Path(tempfile.gettempdir()) / f"likewise-metrics-{os.getpid()}")
    )
)
# Objects allocated between two garbage collections. Python's default is 700, which is many collections per second.
_GC_THRESHOLD = 10_000
# The exit code with which gunicorn does not try again.
_APP_LOAD_ERROR = 4
_metrics_socket: socket.socket | None = None
_until_exit = ExitStack()


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger without the access log, which would name each client."""

    def access(self, *_: object) -> None:
        pass


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


bind = "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY") or _cores())
# gevent, with a fast path for likes and counts.
worker_class = "service.server.worker.Worker"
# Maximum number of open connections of a worker, idle ones included.
worker_connections = 4_000
backlog = 2_048
# Seconds. It must be above the upstream idle time of any NGINX in front, or NGINX answers 502.
keepalive = 75
timeout = 30
graceful_timeout = 25
# The workers' heartbeat files. A heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# A request for the counts of 100 posts is longer than gunicorn's highest limit, 8 KB. NGINX limits it to 32 KB.
limit_request_line = 0
# Never `*`. The API reads X-Forwarded-For itself, by LIKEWISE_TRUSTED_PROXIES.
forwarded_allow_ips = "127.0.0.1,::1"
# LIKEWISE_TRUSTED_PROXIES also decides whether a client uses TLS, in the event loop as in Flask.
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True
accesslog = None
logger_class = _Log
errorlog = "-"
logconfig_dict = stdlib_config()


def on_starting(server: Any) -> None:
    """Empty the metrics directory, as values of an earlier run would be added to the new ones. Allow enough sockets."""
    raise_file_limit()
    shutil.rmtree(_METRICS_DIR, ignore_errors=True)
    _METRICS_DIR.mkdir(parents=True)


def when_ready(server: Any) -> None:
    """Serve the sum of all workers' metrics from the arbiter, if the metrics port is not 0."""
    global _metrics_socket
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    from service.observability.metrics_server import serve_metrics

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        settings = settings_from_environment()
        metrics = serve_metrics(settings.metrics_host, settings.metrics_port, registry, lambda: True)
        _metrics_socket = _until_exit.enter_context(metrics)
    except ConfigurationError as error:
        # The log is JSON. This line is for people, as in wsgi.py.
        print(f"Likewise can't start: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_APP_LOAD_ERROR) from error
    if _metrics_socket is not None:
        server.log.info("Metrics at http://%s:%s/metrics", settings.metrics_host, settings.metrics_port)


def post_fork(server: Any, worker: Any) -> None:
    """Close the metrics port in a worker, which may outlive the arbiter for a moment."""
    if _metrics_socket is not None:
        _metrics_socket.close()


def post_worker_init(worker: Any) -> None:
    """Start the application's background tasks. Threads from before the fork are gone, so they start here.

    Also tune the garbage collector. A full collection stops all requests of the worker, and would traverse all modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    if runtime := runtime_of(worker.wsgi):
        runtime.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Close the application's sockets and pools while greenlets still run. At interpreter exit it is too late."""
    if runtime := runtime_of(getattr(worker, "wsgi", None)):
        runtime.close()


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that has ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Stop the metrics server, and remove the metrics directory."""
    _until_exit.close()
    shutil.rmtree(_METRICS_DIR, ignore_errors=True)
