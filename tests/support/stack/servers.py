"""Servers for the tests: an embedded Valkey Cluster and two Postgres servers."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from service.devstack.postgres import PostgresServer
from service.devstack.valkey import ValkeyCluster
from service.settings import Settings
from service.storage.postgres.migrate import migrate
from service.storage.postgres.shard_map import parse_shard_map
from service.storage.redis.cluster import Cluster

MAXMEMORY = 256 * 2**20
# Enough shards for every node and both databases, and few enough to poll and migrate quickly.
SHARDS = 16


@dataclass(frozen=True)
class Servers:
    """The servers of a test session, and the settings to reach them."""

    valkey: ValkeyCluster | None
    postgres: list[PostgresServer]
    settings: Settings

    def with_settings(self, **changes: object) -> Settings:
        """Return the settings with changes."""
        return self.settings.model_copy(update=changes)


def settings_for(valkey: ValkeyCluster, postgres: list[PostgresServer]) -> Settings:
    half = SHARDS // 2
    return settings_at(valkey.urls, f"0-{half - 1}={postgres[0].url} {half}-{SHARDS - 1}={postgres[1].url}")


def settings_at(redis_urls: list[str], shard_map: str) -> Settings:
    return Settings(
        redis_urls=redis_urls,
        shard_map=shard_map,
        shards=SHARDS,
        secret="a test's secret of more than 32 characters",
        flush_interval_ms=20,
        lease_ms=1_000,
        redis_timeout_ms=500,
        # Below redis_deadline_ms, so that a database that hangs is told from a Redis that does.
        postgres_timeout_ms=1_800,
    )


@contextmanager
def running(
    root: Path,
    *,
    redis_server: Path | None = None,
    postgres_bin: Path | None = None,
    node_timeout_ms: int = 2_000,
    config: Mapping[str, str] | None = None,
) -> Iterator[Servers]:
    """Run a cluster with replicas and two migrated Postgres servers, embedded or from other programs."""
    # If the tests run as root, Postgres runs as another account.
    root.chmod(0o755)
    valkey = ValkeyCluster(
        root / "valkey",
        replicas=True,
        maxmemory_bytes=MAXMEMORY,
        node_timeout_ms=node_timeout_ms,
        server=redis_server,
        config=config,
    )
    postgres = [PostgresServer(root / f"postgres-{at}", binaries=postgres_bin) for at in range(2)]
    try:
        for server in (valkey, *postgres):
            server.start()
        settings = settings_for(valkey, postgres)
        migrate(settings)
        yield Servers(valkey, postgres, settings)
    finally:
        for server in (valkey, *postgres):
            server.stop()


def emptied(servers: Servers) -> Servers:
    """Wait until the servers answer, empty them, and return them."""
    if servers.valkey:
        servers.valkey.wait_ok()
    cluster = Cluster(servers.settings.redis_urls, timeout_s=5)
    try:
        for node in cluster.primaries():
            assert node.call([("FLUSHALL",)]) == [b"OK"]
    finally:
        cluster.close()
    for shard_range in parse_shard_map(servers.settings.shard_map, SHARDS):
        with psycopg.connect(shard_range.url, autocommit=True) as connection:
            connection.execute("TRUNCATE posts, post_likes, actors")
            connection.execute("UPDATE shards SET name = '', epoch = 0, ver = 0, next_id = 1")
    return servers


def with_empty_databases(servers: Servers) -> Servers:
    """Create two databases without tables, apart from those of the other tests, and return servers that use them."""
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS fresh WITH (FORCE)")
            connection.execute("CREATE DATABASE fresh")
    fresh = re.sub(r"/likewise\b(?!@)", "/fresh", servers.settings.shard_map)
    assert fresh != servers.settings.shard_map
    return Servers(servers.valkey, servers.postgres, servers.with_settings(shard_map=fresh))
