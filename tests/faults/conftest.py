"""Servers that may be broken: of their own, repaired and emptied before each test, gone after this folder."""

import signal
from collections.abc import Iterator

import pytest

from service.bootstrap.stores import Stores
from tests.support.concurrent_load import Crowd
from tests.support.faults import client, start_again
from tests.support.servers import MAXMEMORY, Servers, emptied, running

_TAME = {
    "maxmemory": MAXMEMORY,
    "maxmemory-policy": "volatile-lru",
    "appendfsync": "everysec",
    "cluster-replica-no-failover": "no",
}


@pytest.fixture(scope="package")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    config = {"repl-backlog-size": "64kb"}  # else it grows by each write, and memory tests would measure that
    with running(tmp_path_factory.mktemp("faults"), node_timeout_ms=1_000, config=config) as servers:
        try:
            yield servers
        finally:
            for process in servers.valkey.processes:
                process.send_signal(signal.SIGCONT)


@pytest.fixture
def servers(_servers: Servers) -> Servers:
    """Servers that answer, hold nothing and are set up as at first."""
    _repair(_servers)
    for port in _servers.valkey.ports:
        with client(port) as node:
            for name, value in _TAME.items():
                node.config_set(name, value)
    return emptied(_servers)


@pytest.fixture
def crowd(stores: Stores) -> Crowd:
    """People who like, and what they were told."""
    return Crowd(stores)


def _repair(servers: Servers) -> None:
    start_again(servers.valkey)
    for server in servers.postgres:
        if server.process is None or server.process.poll() is not None:
            server.start()
