"""Processes that a test may kill: a flusher, API pods."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from service.devstack.processes import kill_group
from tests.support.stack.servers import Servers


def environment(servers: Servers, **changes: str) -> dict[str, str]:
    """Return the environment of a process that uses the servers."""
    settings = servers.settings
    own = {
        "LIKEWISE_REDIS_URLS": ",".join(settings.redis_urls),
        "LIKEWISE_SHARD_MAP": settings.shard_map,
        "LIKEWISE_SHARDS": str(settings.shards),
        "LIKEWISE_SECRET": settings.secret.get_secret_value(),
        "LIKEWISE_FLUSH_INTERVAL_MS": str(settings.flush_interval_ms),
        "LIKEWISE_LEASE_MS": str(settings.lease_ms),
        "LIKEWISE_METRICS_PORT": "0",
        "LIKEWISE_UNLIMITED_NETWORKS": "127.0.0.1/32",
    }
    return os.environ | own | changes


@contextmanager
def running(env: Mapping[str, str], *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process with these arguments. It and its children are killed at the end."""
    process = subprocess.Popen([sys.executable, *args], env=env, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


@contextmanager
def flusher(servers: Servers) -> Iterator[subprocess.Popen[bytes]]:
    """Run `likewise flusher`, and kill it at the end without a clean stop."""
    with running(environment(servers), "-m", "service.cli", "flusher") as process:
        yield process
