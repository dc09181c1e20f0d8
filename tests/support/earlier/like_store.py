"""The like store of the release before migration 0004, with its statements. Neither is ever changed.

Its pool checks no migrations. The tests decide when a database fits.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from service.core.queue import Batch, CommitResult, FencedError, RejectedError
from service.errors import ConfigurationError
from service.settings import Settings
from service.sharding import shard_of
from service.storage.cache_fill import CountSnapshot, Query
from service.storage.postgres.pool import Database
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.earlier.queries import query

# A post with at most this many likers is loaded with all of them. Redis then knows the state of every actor.
MAX_LOADED_MEMBERS = 256

Connection = psycopg.Connection[tuple[Any, ...]]


class EarlierLikeStore:
    """The likes of all shards, over their databases. Raises LikeStoreUnavailableError."""

    def __init__(self, settings: Settings) -> None:
        self._shards = settings.shards
        ranges = parse_shard_map(settings.shard_map, settings.shards)
        self.databases = [Database(shard_range, settings) for shard_range in ranges]
        for database in self.databases:
            database._is_compatible = True
        by_shard = sorted(enumerate(self.databases), key=lambda pair: pair[1].range.first)
        self._database_of_shard = [at for at, database in by_shard for _ in database.range.shards]

    def database_of(self, shard: int) -> int:
        """Return the position in the shard map of the database that holds the shard."""
        return self._database_of_shard[shard]

    def _database(self, shard: int) -> Database:
        return self.databases[self._database_of_shard[shard]]

    def acquire_epoch(self, shard: int, name: str) -> tuple[int, int]:
        """See `service.storage.redis.shard_client.EpochStore`."""
        with self._database(shard).connection(interactive=True) as connection:
            row = connection.execute(query("acquire_epoch"), {"shard": shard, "name": name}).fetchone()
        if row is None:
            raise ConfigurationError(
                f"shard {shard} is not in {self._database(shard).range.name}: run `likewise migrate`"
            )
        return row[0], row[1]

    def load(self, queries: list[Query]) -> list[CountSnapshot]:
        """See `service.storage.cache_fill.SnapshotLoader`."""
        parameters = {
            "shards": [one.shard for one in queries],
            "posts": [one.post for one in queries],
            "actors": [one.actor for one in queries],
        }
        # One snapshot for counts and members: a like stored in between would be in one of them only.
        with (
            self._database(queries[0].shard).connection(interactive=True) as connection,
            connection.transaction(),
        ):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            rows = connection.execute(query("load"), parameters).fetchall()
            members = {
                (one.shard, one.post): _members(connection, one)
                for one, (_, likes, *_) in zip(queries, rows, strict=True)
                if 0 < likes <= MAX_LOADED_MEMBERS
            }
        return [
            CountSnapshot(likes + seed, revision, liked, [] if likes == 0 else members.get((one.shard, one.post)))
            for one, (_, likes, seed, revision, liked) in zip(queries, rows, strict=True)
        ]

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """See `service.core.queue.BatchStore`. A batch of another epoch is left out, as a FencedError."""
        with self._database(batches[0].shard).connection() as connection:
            try:
                with connection.transaction():
                    epochs = _lock_shards(connection, [batch.shard for batch in batches])
                    stored = _store(connection, [one for one in batches if epochs.get(one.shard) == one.epoch])
                    return [stored.get(batch.shard, FencedError()) for batch in batches]
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                raise RejectedError(str(error).splitlines()[0]) from error

    def seed(self, post: str, count: int) -> bool:
        """See `service.core.likes.LikeStore`."""
        shard = shard_of(post, self._shards)
        with self._database(shard).connection() as connection, connection.transaction():
            _lock_shards(connection, [shard])
            inserted = connection.execute(query("seed"), {"shard": shard, "post": post, "count": count})
        return inserted.rowcount == 1

    def check(self) -> list[str]:
        """See `service.core.readiness.PostgresHealth`. All databases are asked at the same time."""
        with ThreadPoolExecutor(len(self.databases)) as pool:
            return [failure for failure in pool.map(Database.check, self.databases) if failure]

    def incompatibilities(self) -> list[str]:
        """See `service.core.readiness.PostgresHealth`."""
        return [database.incompatibility for database in self.databases if database.incompatibility]

    def wrong_counts(self, shard: int) -> list[tuple[str, int, int]]:
        """See `service.core.verify.PostgresState`."""
        with self._database(shard).connection() as connection:
            return connection.execute(query("wrong_counts", shard), {"shard": shard}).fetchall()

    def all_counts(self, shard: int) -> dict[str, tuple[int, int]]:
        """See `service.core.verify.PostgresState`."""
        with self._database(shard).connection() as connection:
            rows = connection.execute(query("all_counts"), {"shard": shard}).fetchall()
        return {post: (likes, seed) for post, likes, seed in rows}

    def close(self) -> None:
        """Close every pool."""
        for database in self.databases:
            database.close()


def _members(connection: Connection, one: Query) -> list[str]:
    rows = connection.execute(query("load_members", one.shard), {"shard": one.shard, "post": one.post})
    return [actor for (actor,) in rows]


def _lock_shards(connection: Connection, shards: list[int]) -> dict[int, int]:
    """Lock the shards until the end of the transaction, and return their epochs."""
    rows = connection.execute(query("lock_shards"), {"shards": shards}).fetchall()
    return {shard: epoch for shard, epoch, state in rows if state == "here"}


def _store(connection: Connection, batches: list[Batch]) -> dict[int, CommitResult]:
    """Store the batches and return each shard's result.

    All shards share each statement, so that a few likes of many shards cost as much as many likes of one shard.
    """
    if not batches:
        return {}
    posts, requests = _encode(batches)
    only_shard = batches[0].shard if len(batches) == 1 else None
    connection.execute(query("add_posts"), posts)
    counts: dict[int, dict[str, tuple[int, int]]] = {batch.shard: {} for batch in batches}
    for shard, post, count, revision in connection.execute(query("store_likes", only_shard), posts | requests):
        counts[shard][post] = (count, revision)
    versions = {
        "shards": [batch.shard for batch in batches],
        "versions": [batch.last_version for batch in batches],
    }
    rows = connection.execute(query("raise_versions"), versions).fetchall()
    return {shard: CommitResult(version, counts[shard]) for shard, version in rows}


def _encode(batches: list[Batch]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the posts of the batches, and their likes with the place of each one's post, from 1, as arrays."""
    place_of: dict[tuple[int, str], int] = {}
    places, entries = [], []
    for batch in batches:
        for entry in batch.folded():
            places.append(place_of.setdefault((batch.shard, entry.post), len(place_of) + 1))
            entries.append(entry)
    posts = {"shards": [shard for shard, _ in place_of], "posts": [post for _, post in place_of]}
    return posts, {
        "places": places,
        "actors": [entry.actor for entry in entries],
        "liked": [entry.liked for entry in entries],
        "versions": [entry.version for entry in entries],
    }
