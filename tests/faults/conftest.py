"""Servers that may be broken: of their own, repaired and emptied before each test, gone after this folder."""

import signal
from collections.abc import Iterator

import psycopg
import pytest

from service.app import Stores
from service.local.postgres import PostgresServer
from service.local.valkey import ValkeyCluster
from service.store.migrate import migrate
from tests.conftest import Servers, settings_for

from .breaking import client, is_primary, start_again
from .crowd import Crowd

MAXMEMORY = 256 * 2**20
_TAME = {
    "maxmemory": MAXMEMORY,
    "maxmemory-policy": "volatile-lru",
    "appendfsync": "everysec",
    "cluster-replica-no-failover": "no",
}


@pytest.fixture(scope="package")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    root = tmp_path_factory.mktemp("faults")
    root.chmod(0o755)
    valkey = ValkeyCluster(
        root / "valkey",
        replicas=True,
        maxmemory_bytes=MAXMEMORY,
        node_timeout_ms=1_000,
        config={"repl-backlog-size": "64kb"},  # else it grows by each write, and memory tests would measure that
    )
    postgres = [PostgresServer(root / f"postgres-{at}") for at in range(2)]
    try:
        for server in (valkey, *postgres):
            server.start()
        settings = settings_for(valkey, postgres)
        migrate(settings)
        yield Servers(valkey, postgres, settings)
    finally:
        for process in valkey.processes:
            process.send_signal(signal.SIGCONT)
        for server in (valkey, *postgres):
            server.stop()


@pytest.fixture
def servers(_servers: Servers) -> Servers:
    """Servers that answer, hold nothing and are set up as at first."""
    _repair(_servers)
    for port in _servers.valkey.ports:
        with client(port) as node:
            for name, value in _TAME.items():
                node.config_set(name, value)
            if is_primary(node):
                node.flushall()
    for server in _servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("TRUNCATE posts, likes")
            connection.execute("UPDATE shards SET name = '', life = 0, ver = 0, next_id = 1")
    return _servers


@pytest.fixture
def crowd(stores: Stores) -> Crowd:
    """People who like, and what they were told."""
    return Crowd(stores)


def _repair(servers: Servers) -> None:
    start_again(servers.valkey)
    for server in servers.postgres:
        if server.process is None or server.process.poll() is not None:
            server.start()
