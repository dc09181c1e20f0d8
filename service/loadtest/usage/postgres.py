"""Read the size of the write-ahead log and of the tables from every database, local or remote."""

import psycopg

from service.loadtest.usage.counters import Counters, UnknownUsageError
from service.settings import Settings
from service.storage.postgres.shard_map import ShardRange, parse_shard_map

_CONNECT_TIMEOUT_S = 2
_QUERY = """
SELECT (SELECT system_identifier FROM pg_control_system())::text,
    (pg_current_wal_lsn() - '0/0')::bigint, sum(pg_table_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint
FROM pg_class WHERE relkind = 'r' AND relnamespace =
    (SELECT relnamespace FROM pg_class WHERE oid = 'post_likes'::regclass)
"""


def read_postgres(settings: Settings) -> Counters:
    """Return the counters of each database, and those of each server. Raises LikewiseError."""
    counters: dict[str, dict[str, float]] = {}
    for database in parse_shard_map(settings.shard_map, settings.shards):
        server, wal, tables, indexes = _ask(database)
        # Databases of one server share its write-ahead log.
        counters[f"server {server}"] = {"postgres_wal_bytes": wal}
        counters[database.name] = {"postgres_table_bytes": tables, "postgres_index_bytes": indexes}
    return counters


def _ask(database: ShardRange) -> tuple[str, int, int, int]:
    try:
        with psycopg.connect(database.url, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            row: tuple[str, int, int, int] | None = connection.execute(_QUERY).fetchone()
    except psycopg.Error as error:
        raise UnknownUsageError(f"{database.name}: {str(error).strip() or type(error).__name__}") from error
    assert row
    return row
