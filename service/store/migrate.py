"""Migrations: numbered SQL files, `pre` before new pods start and `post` after the last old one is gone."""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import psycopg
from psycopg import sql

from service.errors import ConfigurationError, LedgerUnavailableError
from service.settings import Settings
from service.store.databases import Range, parse_shard_map
from service.store.queries import partition

Phase = Literal["pre", "post"]
_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")
_ADVISORY_LOCK = 0x4C696B65  # "Like"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    phase: str
    name: str
    text: str


def migrations() -> list[Migration]:
    """Every migration in order."""
    found = []
    for file in files("service.store").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], match[3], file.read_text("utf-8")))
    return sorted(found, key=lambda one: one.number)


def migrate(settings: Settings, phases: tuple[Phase, ...] = ("pre", "post")) -> list[str]:
    """Bring every database up to date; safe to run twice or at once. What was done, a line each."""
    done = []
    for held in parse_shard_map(settings.shard_map, settings.shards):
        try:
            with psycopg.connect(held.url, autocommit=True, connect_timeout=10) as connection:
                done += [f"{held.name}: {line}" for line in _migrate_one(connection, held, settings.shards, phases)]
        except psycopg.OperationalError as error:
            raise LedgerUnavailableError(f"Postgres {held.name}: {str(error).strip()}") from error
    return done


def _migrate_one(
    connection: psycopg.Connection[tuple[int]], held: Range, shards: int, phases: tuple[Phase, ...]
) -> list[str]:
    # One transaction: a migration that fails, or a machine that dies, leaves the database as it was.
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {number for (number,) in connection.execute("SELECT number FROM migrations")}
        lines = []
        for migration in migrations():
            if migration.phase in phases and migration.number not in applied:
                connection.execute(migration.text.encode())
                connection.execute("INSERT INTO migrations VALUES (%s, %s)", [migration.number, migration.name])
                lines.append(f"{migration.number:04d} {migration.phase} {migration.name}")
        if "pre" in phases:
            lines += _ensure_shards(connection, held, shards)
    return lines


def _ensure_shards(connection: psycopg.Connection[tuple[int]], held: Range, shards: int) -> list[str]:
    connection.execute("INSERT INTO install (shards) VALUES (%s) ON CONFLICT DO NOTHING", [shards])
    row = connection.execute("SELECT shards FROM install").fetchone()
    if row and row[0] != shards:
        raise ConfigurationError(f"{held.name} was installed with {row[0]} shards; LIKEWISE_SHARDS={shards} differs")
    present = {shard for (shard,) in connection.execute("SELECT shard FROM shards")}
    missing = [shard for shard in held.shards if shard not in present]
    for shard in missing:
        connection.execute("INSERT INTO shards (shard) VALUES (%s)", [shard])
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF likes FOR VALUES IN ({})").format(
                sql.Identifier(partition(shard)), sql.Literal(shard)
            )
        )
    return [f"{len(missing)} shards added, {missing[0]} to {missing[-1]}"] if missing else []
