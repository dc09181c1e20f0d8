"""The identity of an installation, stored in each of its databases.

It prevents two mistakes: treating an emptied database as a new one, and combining databases of two installations.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from service.errors import ConfigurationError
from service.storage.postgres.schema import Connection


@dataclass(frozen=True, slots=True)
class InstallationInfo:
    """The installation of a database.

    `prepared` is True if the database holds shards. `id` is empty before migration 0002. `complete` is True if all
    databases of the installation exist.
    """

    prepared: bool = False
    id: str = ""
    complete: bool = False


def installation_info(connection: Connection) -> InstallationInfo:
    """Read the installation of a database with any migrations, or with none."""
    try:
        row = connection.execute("SELECT to_jsonb(install) FROM install").fetchone()
    except psycopg.errors.UndefinedTable:
        return InstallationInfo()
    if row is None:
        return InstallationInfo()
    return InstallationInfo(True, row[0].get("id") or "", bool(row[0].get("complete")))


def check_same_installation(members: Mapping[str, InstallationInfo], *, accept_empty: bool = False) -> None:
    """Raise ConfigurationError if the databases, by name, are not of one installation."""
    by_id = {member.id: name for name, member in members.items() if member.id}
    if len(by_id) > 1:
        names = " and ".join(by_id.values())
        raise ConfigurationError(f"LIKEWISE_SHARD_MAP names databases of different installations: Postgres {names}")
    complete = next((name for name, member in members.items() if member.complete), "")
    empty = next((name for name, member in members.items() if not member.prepared), "")
    if complete and empty and not accept_empty:
        raise ConfigurationError(
            f"Postgres {empty} is empty, but according to {complete} this installation was complete. Is the address "
            "right? Was a volume lost? Restore the database, or start it again without its likes with "
            "`likewise migrate --accept-empty`"
        )


def mark_complete(connections: Mapping[str, Connection]) -> None:
    """Store in each database the installation's id, and that all databases exist."""
    known = [member.id for member in map(installation_info, connections.values()) if member.id]
    identity = known[0] if known else str(uuid.uuid4())
    for connection in connections.values():
        connection.execute(
            "UPDATE install SET id = coalesce(id, %s), complete = true WHERE id IS NULL OR NOT complete", [identity]
        )
