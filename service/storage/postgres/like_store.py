"""The LikeStore on sharded Postgres: the truth. Every change of rows first locks its shards and checks their life."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from service.core.queue import Batch, CommitResult, FencedError, RejectedError
from service.errors import ConfigurationError
from service.settings import Settings
from service.sharding import shard_of
from service.storage.cache_fill import CountSnapshot, Query
from service.storage.postgres.pool import Database
from service.storage.postgres.queries import query
from service.storage.postgres.shard_map import parse_shard_map

WHOLE = 256  # a post with at most so many likers is loaded with all of them: then no actor is a miss

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresLikeStore:
    """Rows of all shards, over their databases. Raises LikeStoreUnavailableError where one is away."""

    def __init__(self, settings: Settings) -> None:
        self._shards = settings.shards
        self.databases = [Database(held, settings) for held in parse_shard_map(settings.shard_map, settings.shards)]
        self._of_shard = [
            at
            for at, db in sorted(enumerate(self.databases), key=lambda pair: pair[1].range.first)
            for _ in db.range.shards
        ]

    def database_of(self, shard: int) -> int:
        """Which of the databases, by its place in the shard map, holds the shard."""
        return self._of_shard[shard]

    def _database(self, shard: int) -> Database:
        return self.databases[self._of_shard[shard]]

    def acquire_epoch(self, shard: int, name: str) -> tuple[int, int]:
        """Raise the life of the shard unless `name` has it already; (life, last version)."""
        with self._database(shard).connection(soon=True) as connection:
            row = connection.execute(query("acquire_epoch"), {"shard": shard, "name": name}).fetchone()
        if row is None:
            raise ConfigurationError(
                f"shard {shard} is not in {self._database(shard).range.name}: run `likewise migrate`"
            )
        return row[0], row[1]

    def load(self, queries: list[Query]) -> list[CountSnapshot]:
        """The bases of posts of one database, in order."""
        asked = {
            "shards": [one.shard for one in queries],
            "posts": [one.post for one in queries],
            "actors": [one.actor for one in queries],
        }
        # One snapshot for counts and members: else a like stored in between would be in one and not in the other.
        with self._database(queries[0].shard).connection(soon=True) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            rows = connection.execute(query("load"), asked).fetchall()
            members = {
                (one.shard, one.post): _members(connection, one)
                for one, (_, n, *_) in zip(queries, rows, strict=True)
                if 0 < n <= WHOLE
            }
        return [
            CountSnapshot(n + seed, rev, known, [] if n == 0 else members.get((one.shard, one.post)))
            for one, (_, n, seed, rev, known) in zip(queries, rows, strict=True)
        ]

    def commit(self, batches: list[Batch]) -> list[CommitResult | FencedError]:
        """Store the batches of one database in one transaction; a batch from another life is left out."""
        with self._database(batches[0].shard).connection() as connection:
            try:
                with connection.transaction():
                    epochs = _lock(connection, [batch.shard for batch in batches])
                    stored = _store(connection, [one for one in batches if epochs.get(one.shard) == one.epoch])
                    return [stored.get(batch.shard, FencedError()) for batch in batches]
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                raise RejectedError(str(error).splitlines()[0]) from error

    def seed(self, post: str, count: int) -> bool:
        """Start a post's count; see `service.core.likes.LikeStore`."""
        shard = shard_of(post, self._shards)
        with self._database(shard).connection() as connection, connection.transaction():
            _lock(connection, [shard])
            done = connection.execute(query("seed"), {"shard": shard, "post": post, "count": count})
        return done.rowcount == 1

    def check(self) -> list[str]:
        """One sentence for each database that does not answer or fit; all are asked at once."""
        with ThreadPoolExecutor(len(self.databases)) as pool:
            return [reason for reason in pool.map(Database.check, self.databases) if reason]

    def incompatibilities(self) -> list[str]:
        """See `service.core.readiness.PostgresHealth`."""
        return [database.incompatibility for database in self.databases if database.incompatibility]

    def wrong_counts(self, shard: int) -> list[tuple[str, int, int]]:
        """Posts of the shard whose n is not their rows: (post, n, rows)."""
        with self._database(shard).connection() as connection:
            return connection.execute(query("wrong_counts", shard), {"shard": shard}).fetchall()

    def all_counts(self, shard: int) -> dict[str, tuple[int, int]]:
        """Each post of the shard: (likes stored, seed)."""
        with self._database(shard).connection() as connection:
            rows = connection.execute(query("all_counts"), {"shard": shard}).fetchall()
        return {post: (n, seed) for post, n, seed in rows}

    def close(self) -> None:
        """Close every pool."""
        for database in self.databases:
            database.close()


def _members(connection: Connection, one: Query) -> list[str]:
    rows = connection.execute(query("load_members", one.shard), {"shard": one.shard, "post": one.post})
    return [actor for (actor,) in rows]


def _lock(connection: Connection, shards: list[int]) -> dict[int, int]:
    rows = connection.execute(query("lock_shards"), {"shards": shards}).fetchall()
    return {shard: epoch for shard, epoch, state in rows if state == "here"}


def _store(connection: Connection, batches: list[Batch]) -> dict[int, CommitResult]:
    """Each shard's outcome. All shards share each statement, so that few likes of many cost what many of one do."""
    if not batches:
        return {}
    posts, requests = _arrays(batches)
    only = batches[0].shard if len(batches) == 1 else None
    connection.execute(query("add_posts"), posts)
    bases: dict[int, dict[str, tuple[int, int]]] = {batch.shard: {} for batch in batches}
    for shard, post, count, rev in connection.execute(query("store_likes", only), posts | requests):
        bases[shard][post] = (count, rev)
    versions = {
        "shards": [batch.shard for batch in batches],
        "versions": [batch.last_version for batch in batches],
    }
    rows = connection.execute(query("raise_versions"), versions).fetchall()
    return {shard: CommitResult(version, bases[shard]) for shard, version in rows}


def _arrays(batches: list[Batch]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The posts of the batches, and their wishes, each with the place of its post among them, from 1."""
    places: dict[tuple[int, str], int] = {}
    at, requests = [], []
    for batch in batches:
        for request in batch.folded():
            at.append(places.setdefault((batch.shard, request.post), len(places) + 1))
            requests.append(request)
    posts = {"shards": [shard for shard, _ in places], "posts": [post for _, post in places]}
    return posts, {
        "places": at,
        "actors": [request.actor for request in requests],
        "liked": [request.liked for request in requests],
        "versions": [request.version for request in requests],
    }
