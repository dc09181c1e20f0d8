"""The statements of the release before migration 0004, by name."""

import re
from functools import lru_cache
from importlib.resources import files

from psycopg import sql

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@lru_cache(maxsize=1)
def _statements() -> dict[str, str]:
    _, *parts = _NAME.split(files(__package__).joinpath("queries.sql").read_text("utf-8"))
    bodies = ("\n".join(line for line in body.splitlines() if not line.startswith("--")) for body in parts[1::2])
    return dict(zip(parts[::2], (body.strip() for body in bodies), strict=True))


def partition(shard: int) -> str:
    """Return the name of the table that holds the likes of one shard."""
    return f"likes_{shard:04d}"


@lru_cache(maxsize=65_536)
def query(name: str, shard: int | None = None) -> sql.Composed | sql.SQL:
    """Return a statement.

    With `shard`, its {likes} is the partition of that shard, so that Postgres does not look at the others.
    """
    # The text is our own file, never a caller's.
    statement = sql.SQL(_statements()[name])
    return statement.format(likes=sql.Identifier("likes" if shard is None else partition(shard)))
