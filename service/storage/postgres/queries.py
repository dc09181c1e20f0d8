"""The statements of queries.sql by name."""

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
    """The table that holds one shard's likes."""
    return f"likes_{shard:04d}"


@lru_cache(maxsize=65_536)
def query(name: str, shard: int | None = None) -> sql.Composed | sql.SQL:
    """A statement; with `shard`, its {likes} is that shard's partition, which spares Postgres looking at the others."""
    statement = sql.SQL(_statements()[name])  # our own file, never a caller's text
    return statement.format(likes=sql.Identifier("likes" if shard is None else partition(shard)))
