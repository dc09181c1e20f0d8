"""Database migrations, for `likewise migrate`.

`pre` migrations run before pods of the new image start, `post` migrations after the last pod of the old image has
stopped. A `pre` migration adds what the new image needs. It removes nothing that the old image needs, whether or not
earlier `post` migrations have run. So old and new pods run side by side, and a rollback works. A repeated migration
changes many rows, a batch in each transaction; an interrupted one continues where it stopped.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import structlog
from psycopg import sql

from service.errors import ConfigurationError, LikeStoreUnavailableError
from service.settings import Settings
from service.storage.postgres.installation import check_same_installation, installation_info, mark_complete
from service.storage.postgres.queries import partition
from service.storage.postgres.schema import (
    Connection,
    Migration,
    Phase,
    applied,
    differing_count,
    differing_shards,
    migrations,
    too_new,
)
from service.storage.postgres.shard_map import ShardRange, parse_shard_map

log = structlog.get_logger(__name__)

# The bytes "Like".
_ADVISORY_LOCK = 0x4C696B65
_LOG_EVERY_S = 10.0
# Pods wait behind a migration that waits for a lock.
_LOCK_TIMEOUT_MS = 5_000
# Every partitioned table has a partition for each shard.
_PARTITIONED = "SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace"


def migrate(
    settings: Settings, phases: tuple[Phase, ...] = ("pre", "post"), *, accept_empty: bool = False
) -> list[str]:
    """Bring every database up to date. Return one line for each thing done.

    It is safe to run this twice, or several times at once. Raises ConfigurationError if a database differs from the
    shard map or is newer than this image. Also raises it if a database is empty while others of its installation are
    not, unless `accept_empty`.
    """
    ranges = parse_shard_map(settings.shard_map, settings.shards)
    done = []
    with ExitStack() as stack:
        connections = {shard_range.name: stack.enter_context(_connect(shard_range)) for shard_range in ranges}
        # Held until the connection ends. Another process that migrates now waits, and finds nothing to do.
        next(iter(connections.values())).execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        members = {name: installation_info(connection) for name, connection in connections.items()}
        check_same_installation(members, accept_empty=accept_empty)
        for shard_range in ranges:
            lines = _migrate_one(connections[shard_range.name], shard_range, settings.shards, phases)
            done += [f"{shard_range.name}: {line}" for line in lines]
        if "pre" in phases:
            mark_complete(connections)
    return done


def pending(settings: Settings, phases: tuple[Phase, ...] = ("pre", "post")) -> list[str]:
    """Return the migrations that `migrate` would apply, one line each. Change nothing."""
    left = []
    for shard_range in parse_shard_map(settings.shard_map, settings.shards):
        with _connect(shard_range) as connection:
            prepared = connection.execute("SELECT to_regclass('migrations')").fetchone() != (None,)
            done = {migration.number for migration in applied(connection)} if prepared else set()
        left += [f"{shard_range.name}: {one}" for one in migrations() if one.phase in phases and one.number not in done]
    return left


@contextmanager
def _connect(shard_range: ShardRange) -> Iterator[Connection]:
    try:
        with psycopg.connect(shard_range.url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.errors.LockNotAvailable as error:
        raise LikeStoreUnavailableError(
            f"Postgres {shard_range.name}: another session uses a table that a migration changes. pg_stat_activity "
            "lists the sessions. End it or wait for it, and run `likewise migrate` again"
        ) from error
    except psycopg.OperationalError as error:
        raise LikeStoreUnavailableError(f"Postgres {shard_range.name}: {str(error).strip()}") from error


def _migrate_one(connection: Connection, shard_range: ShardRange, shards: int, phases: tuple[Phase, ...]) -> list[str]:
    # Each step is a transaction, so a failed migration or a crash leaves those before it, and the next run continues.
    with connection.transaction():
        _ensure_migrations_table(connection)
        done = applied(connection)
        if newer := too_new(done):
            raise ConfigurationError(
                f"Postgres {shard_range.name} is newer than this image: it has migration {newer}, and can't go back: "
                "run the newer image, or restore a backup from before it"
            )
        _check_shards(connection, shard_range, shards)
    missing = _missing(shard_range, {migration.number for migration in done}, phases)
    for migration in missing:
        _apply(connection, migration, shard_range.name)
    lines = [str(migration) for migration in missing]
    if "pre" in phases:
        with connection.transaction():
            lines += _add_shards(connection, shard_range, shards)
    return lines


def _missing(shard_range: ShardRange, done: set[int], phases: tuple[Phase, ...]) -> list[Migration]:
    """Return the migrations to apply. Raise ConfigurationError if one needs an earlier one of another phase."""
    missing = [one for one in migrations() if one.number not in done]
    chosen = [one for one in missing if one.phase in phases]
    if "post" in phases and chosen and missing[0].phase not in phases:
        raise ConfigurationError(
            f"Postgres {shard_range.name} lacks migration {missing[0]}: run `likewise migrate --phase pre` first"
        )
    return chosen


def _ensure_migrations_table(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    connection.execute("ALTER TABLE migrations ADD COLUMN IF NOT EXISTS phase text NOT NULL DEFAULT 'pre'")


def _apply(connection: Connection, migration: Migration, database: str) -> None:
    if migration.is_repeated:
        _run_in_batches(connection, migration, database)
    with connection.transaction():
        if not migration.is_repeated:
            connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}".encode())
            connection.execute(migration.text.encode())
        connection.execute(
            "INSERT INTO migrations (number, phase, name) VALUES (%s, %s, %s)",
            [migration.number, migration.phase, migration.name],
        )


def _run_in_batches(connection: Connection, migration: Migration, database: str) -> None:
    """Run a statement that processes some rows, and returns their number, until it returns NULL."""
    rows, logged = 0, time.monotonic()
    while True:
        started = time.monotonic()
        # Autocommit: each batch is a transaction.
        [(count,)] = connection.execute(migration.text.encode()).fetchall()
        if count is None:
            return
        now = time.monotonic()
        rows += count
        if now - logged > _LOG_EVERY_S:
            log.info("migration continues", database=database, migration=str(migration), rows=rows)
            logged = now
        # Flushers wait for the lock of the batch, so they get as much time as it does.
        time.sleep(now - started)


def _check_shards(connection: Connection, shard_range: ShardRange, shards: int) -> None:
    """Raise ConfigurationError if the database holds other shards than the shard map says."""
    if connection.execute("SELECT to_regclass('shards')").fetchone() == (None,):
        return
    row = connection.execute("SELECT shards FROM install").fetchone()
    if row and (differs := differing_count(shard_range, row[0], shards)):
        raise ConfigurationError(differs)
    present = {shard for (shard,) in connection.execute("SELECT shard FROM shards")}
    if present and (differs := differing_shards(shard_range, present)):
        raise ConfigurationError(f"{differs}; shards are not moved by changing the map")


def _add_shards(connection: Connection, shard_range: ShardRange, shards: int) -> list[str]:
    """Add the shards' rows and partitions to a new database."""
    connection.execute("INSERT INTO install (shards) VALUES (%s) ON CONFLICT DO NOTHING", [shards])
    if connection.execute("SELECT FROM shards LIMIT 1").fetchone() is not None:
        return []
    tables = [name for (name,) in connection.execute(_PARTITIONED)]
    for shard in shard_range.shards:
        connection.execute("INSERT INTO shards (shard) VALUES (%s)", [shard])
        for table in tables:
            connection.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES IN ({})").format(
                    sql.Identifier(partition(shard, table)), sql.Identifier(table), sql.Literal(shard)
                )
            )
    return [f"{len(shard_range.shards)} shards added, {shard_range.first} to {shard_range.last}"]
