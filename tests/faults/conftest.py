"""Servers for fault tests. They are repaired and emptied before each test, and removed after this folder."""

import signal
from collections.abc import Iterator

import pytest

from service.bootstrap.stores import Stores
from tests.support.loop_thread import likes_on_loop
from tests.support.stack.concurrent_load import TrackedLikes
from tests.support.stack.faults import client, start_again
from tests.support.stack.servers import MAXMEMORY, Servers, emptied, running

_DEFAULTS = {
    "maxmemory": MAXMEMORY,
    "maxmemory-policy": "volatile-lru",
    "appendfsync": "everysec",
    "cluster-replica-no-failover": "no",
}


@pytest.fixture(scope="package")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    # A larger backlog grows with each write, which memory tests would measure.
    config = {"repl-backlog-size": "64kb"}
    with running(tmp_path_factory.mktemp("faults"), node_timeout_ms=1_000, config=config) as servers:
        try:
            yield servers
        finally:
            for process in servers.valkey.processes:
                process.send_signal(signal.SIGCONT)


@pytest.fixture
def servers(_servers: Servers) -> Servers:
    """Return servers that answer, are empty and have their first configuration."""
    _repair(_servers)
    for port in _servers.valkey.ports:
        with client(port) as node:
            for name, value in _DEFAULTS.items():
                node.config_set(name, value)
    return emptied(_servers)


@pytest.fixture
def tracked(stores: Stores) -> Iterator[TrackedLikes]:
    """Yield tracked likes on the servers, counted by an event loop as in a pod."""
    with likes_on_loop(stores) as likes:
        yield TrackedLikes(stores, likes)


def _repair(servers: Servers) -> None:
    start_again(servers.valkey)
    for server in servers.postgres:
        if server.process is None or server.process.poll() is not None:
            server.start()
