"""Migrations: one command over all databases, safe to run twice and at once."""

import re
import threading

import psycopg
import pytest

from service.errors import ConfigurationError, LedgerUnavailableError
from service.store.migrate import migrate
from tests.conftest import SHARDS, Servers


@pytest.fixture
def empty(servers: Servers) -> Servers:
    """Two new databases beside those of the other tests."""
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS fresh")
            connection.execute("CREATE DATABASE fresh")
    fresh = re.sub(r"/likewise\b(?!@)", "/fresh", servers.settings.shard_map)
    assert fresh != servers.settings.shard_map
    return Servers(servers.valkey, servers.postgres, servers.with_settings(shard_map=fresh))


def test_twice_and_at_once(empty: Servers) -> None:
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty.settings))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for one in done for line in one]
    assert len(done) == 3
    assert sum("0001 pre initial" in line for line in lines) == 2  # once in each database
    assert sum("shards added" in line for line in lines) == 2
    assert migrate(empty.settings) == []


def test_another_number_of_shards_is_refused(empty: Servers) -> None:
    migrate(empty.settings)
    one_database = empty.settings.shard_map.split("=", 1)[1].split()[0]
    other = empty.with_settings(shards=2 * SHARDS, shard_map=f"0-{2 * SHARDS - 1}={one_database}")
    with pytest.raises(ConfigurationError, match=f"installed with {SHARDS} shards"):
        migrate(other)


def test_a_database_that_is_away_is_named(servers: Servers) -> None:
    away = servers.with_settings(shard_map=f"0-{SHARDS - 1}=postgresql://127.0.0.1:1/x")
    with pytest.raises(LedgerUnavailableError, match=r"127\.0\.0\.1:1/x"):
        migrate(away)
