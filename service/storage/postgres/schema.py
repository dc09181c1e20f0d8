"""The migrations, and the check that a database fits this image."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import psycopg

from service.storage.postgres.shard_map import ShardRange

Phase = Literal["pre", "post"]
Connection = psycopg.Connection[tuple[Any, ...]]
_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    phase: str
    name: str
    text: str = ""

    @property
    def is_repeated(self) -> bool:
        """Whether its statement runs in transactions of its own until it returns NULL."""
        return self.text.startswith("-- repeat:")

    def __str__(self) -> str:
        return f"{self.number:04d} {self.phase} {self.name}"


@cache
def migrations() -> list[Migration]:
    """Return every migration of this image, in order."""
    found = []
    for file in files("service.storage.postgres").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], match[3], file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def applied(connection: Connection) -> list[Migration]:
    """Return the migrations that were applied to a database, in order."""
    return [Migration(*row) for row in connection.execute("SELECT number, phase, name FROM migrations ORDER BY number")]


def too_new(done: list[Migration]) -> Migration | None:
    """Return a `post` migration of a newer image, which removed what this image needs; None if there is none.

    Newer `pre` migrations only add, so they do no harm.
    """
    known = {migration.number for migration in migrations()}
    return next((migration for migration in done if migration.phase == "post" and migration.number not in known), None)


def incompatibility(connection: Connection, shard_range: ShardRange, shards: int) -> str:
    """Return the reason why this image must not use the database, in one sentence; empty if it may."""
    try:
        done = applied(connection)
        install = connection.execute("SELECT shards FROM install").fetchone()
        present = {shard for (shard,) in connection.execute("SELECT shard FROM shards")}
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return f"Postgres {shard_range.name} is not prepared: run `likewise migrate`"
    if newer := too_new(done):
        return f"Postgres {shard_range.name} is newer than this image: it has migration {newer}. Run the newer image"
    missing = {one.number for one in migrations() if one.phase == "pre"} - {one.number for one in done}
    if missing or install is None:
        return f"Postgres {shard_range.name} lacks migrations of this image: run `likewise migrate`"
    return differing_count(shard_range, install[0], shards) or differing_shards(shard_range, present)


def differing_count(shard_range: ShardRange, installed: int, shards: int) -> str:
    """Return a sentence if the database was installed with another number of shards than the setting; else empty."""
    if installed == shards:
        return ""
    return f"{shard_range.name} was installed with {installed} shards; LIKEWISE_SHARDS={shards} differs"


def differing_shards(shard_range: ShardRange, present: set[int]) -> str:
    """Return a sentence if the database holds other shards than the shard map says; else empty."""
    if present == set(shard_range.shards):
        return ""
    has = f"shards {min(present)} to {max(present)}" if present else "no shards"
    return (
        f"LIKEWISE_SHARD_MAP gives Postgres {shard_range.name} the shards {shard_range.first} to {shard_range.last}, "
        f"and it holds {has}"
    )
