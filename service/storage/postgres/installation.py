"""The databases of an installation know each other: an emptied one, or another's, is not taken for a new one."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from service.errors import ConfigurationError
from service.storage.postgres.schema import Connection


@dataclass(frozen=True, slots=True)
class InstallationInfo:
    """What a database says of its installation. `prepared`: it holds shards; `id` is empty before migration 0002."""

    prepared: bool = False
    id: str = ""
    complete: bool = False


def installation_info(connection: Connection) -> InstallationInfo:
    """Read it, of a database with any migrations or none."""
    try:
        row = connection.execute("SELECT to_jsonb(install) FROM install").fetchone()
    except psycopg.errors.UndefinedTable:
        return InstallationInfo()
    if row is None:
        return InstallationInfo()
    return InstallationInfo(True, row[0].get("id") or "", bool(row[0].get("complete")))


def check_same_installation(members: Mapping[str, InstallationInfo], *, accept_empty: bool = False) -> None:
    """Raise ConfigurationError where the databases, by name, are not of one installation."""
    by_id = {member.id: name for name, member in members.items() if member.id}
    if len(by_id) > 1:
        names = " and ".join(by_id.values())
        raise ConfigurationError(f"LIKEWISE_SHARD_MAP names databases of different installations: Postgres {names}")
    whole = next((name for name, member in members.items() if member.complete), "")
    empty = next((name for name, member in members.items() if not member.prepared), "")
    if whole and empty and not accept_empty:
        raise ConfigurationError(
            f"Postgres {empty} is empty, but by {whole} this installation was complete: is the address right, was a "
            "volume lost? Restore it, or start it anew, without its likes, by `likewise migrate --accept-empty`"
        )


def complete(connections: Mapping[str, Connection]) -> None:
    """Note in each database that all are made, and of which installation they are."""
    known = [member.id for member in map(installation_info, connections.values()) if member.id]
    identity = known[0] if known else str(uuid.uuid4())
    for connection in connections.values():
        connection.execute(
            "UPDATE install SET id = coalesce(id, %s), complete = true WHERE id IS NULL OR NOT complete", [identity]
        )
