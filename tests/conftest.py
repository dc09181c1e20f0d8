"""Real servers for the tests: one embedded Valkey Cluster and two Postgres servers a session, emptied between tests."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
import redis

from service.app import Stores, open_stores
from service.local.postgres import PostgresServer
from service.local.valkey import ValkeyCluster
from service.settings import Settings
from service.store.migrate import migrate

SHARDS = 16  # enough to be on every node and in both databases, few enough to poll and to migrate quickly


@dataclass(frozen=True)
class Servers:
    """The servers of a test session and the settings that reach them."""

    valkey: ValkeyCluster
    postgres: list[PostgresServer]
    settings: Settings

    def with_settings(self, **changes: object) -> Settings:
        """The settings, some of them changed."""
        return self.settings.model_copy(update=changes)


def settings_for(valkey: ValkeyCluster, postgres: list[PostgresServer]) -> Settings:
    half = SHARDS // 2
    return Settings(
        redis_urls=valkey.urls,
        shard_map=f"0-{half - 1}={postgres[0].url} {half}-{SHARDS - 1}={postgres[1].url}",
        shards=SHARDS,
        secret="a test's secret of more than 32 characters",
        flush_interval_ms=20,
        lease_ms=1_000,
        redis_timeout_ms=500,
        postgres_timeout_ms=1_000,
    )


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    root = tmp_path_factory.mktemp("servers")
    root.chmod(0o755)
    valkey = ValkeyCluster(root / "valkey", replicas=True, maxmemory_bytes=256 * 2**20)
    postgres = [PostgresServer(root / f"postgres-{at}") for at in range(2)]
    try:
        for server in (valkey, *postgres):
            server.start()
        settings = settings_for(valkey, postgres)
        migrate(settings)
        yield Servers(valkey, postgres, settings)
    finally:
        for server in (valkey, *postgres):
            server.stop()


@pytest.fixture
def servers(_servers: Servers) -> Servers:
    """Servers that answer and hold nothing."""
    _servers.valkey.wait_ok()
    for port in _servers.valkey.ports:
        with redis.Redis(port=port) as node:
            if node.info("replication")["role"] == "master":
                node.flushall()
    for server in _servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("TRUNCATE posts, likes")
            connection.execute("UPDATE shards SET name = '', life = 0, ver = 0, next_id = 1")
    return _servers


@pytest.fixture
def stores(servers: Servers) -> Iterator[Stores]:
    """Counter, ledger and queue on the servers."""
    with open_stores(servers.settings) as opened:
        yield opened
