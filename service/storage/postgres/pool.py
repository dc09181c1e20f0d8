"""The Postgres databases, each behind a pool. psycopg's errors end here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from service.errors import LikeStoreUnavailableError
from service.settings import Settings
from service.storage.connection_errors import note_postgres
from service.storage.postgres.schema import incompatibility
from service.storage.postgres.shard_map import ShardRange

_AWAY_S = 0.5
_STATEMENT_LIMITS = 5  # a batch may take so many times what a look-up may


class _Connection(psycopg.Connection[Any]):
    """Gives up on a server that hangs: its own statement_timeout would never come."""

    limit_s = float("inf")

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        try:
            return super().wait(_limited(gen, self.limit_s), *args, **options)
        except _NoAnswerError:
            self.close()  # half a reply must not reach the next caller
            raise


class _NoAnswerError(psycopg.errors.QueryCanceled):
    """Cancelled here, as the server hangs."""


def _limited(gen: PQGen[RV], limit_s: float) -> PQGen[RV]:
    """`gen`, which psycopg also resumes, with nothing ready, at each interval."""
    give_up = time.monotonic() + limit_s
    try:
        state = next(gen)
        while True:
            ready = yield state
            if not ready and time.monotonic() > give_up:
                raise _NoAnswerError("no answer in time")
            state = gen.send(ready)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


# Every statement finds its rows by key. A plan made while a table was tiny would read all of it, and is kept.
_BY_KEY = "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"


class Database:
    """One Postgres database behind a pool that opens on first use and says at once when it is away."""

    def __init__(self, shard_range: ShardRange, settings: Settings) -> None:
        self.range = shard_range
        limit_ms = settings.postgres_timeout_ms
        self._shards = settings.shards
        self._timeout_s = limit_ms / 1000
        self._away_until = 0.0
        self._fits = False
        self.incompatibility = ""  # what was found wrong with its tables: one sentence
        self._pool = ConnectionPool(
            shard_range.url,
            min_size=0,
            max_size=settings.postgres_pool,
            open=False,
            connection_class=_Connection,
            timeout=self._timeout_s,
            reconnect_timeout=self._timeout_s,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 2,
                "application_name": "likewise",
                "connect_timeout": max(2, round(self._timeout_s)),
                "options": f"-c statement_timeout={limit_ms * _STATEMENT_LIMITS} -c lock_timeout={limit_ms} {_BY_KEY}",
            },
            configure=_remember_every_statement,
        )

    @contextmanager
    def connection(self, *, soon: bool = False) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection in autocommit; `soon` where a request waits for it.

        Raises LikeStoreUnavailableError, at once while the database was just seen away.
        """
        if time.monotonic() < self._away_until:
            raise LikeStoreUnavailableError(self.incompatibility or f"Postgres {self.range.name} does not answer")
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                connection.limit_s = self._timeout_s * (1 if soon else _STATEMENT_LIMITS + 1)
                if not self._fits:
                    self._check_fit(connection)
                yield connection
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            note_postgres(error)
            raise
        except (psycopg.Error, PoolTimeout, PoolClosed, OSError) as error:
            note_postgres(error)
            self._away_until = time.monotonic() + _AWAY_S
            raise LikeStoreUnavailableError(
                f"Postgres {self.range.name}: {str(error).strip() or type(error).__name__}"
            ) from error

    def _check_fit(self, connection: psycopg.Connection[Any]) -> None:
        """Once, before the first use: tables of another version or another part of the shards must not be touched."""
        self.incompatibility = incompatibility(connection, self.range, self._shards)
        if self.incompatibility:
            self._away_until = time.monotonic() + _AWAY_S
            raise LikeStoreUnavailableError(self.incompatibility)
        self._fits = True

    def check(self) -> str | None:
        """A sentence if it does not answer, or does not fit."""
        try:
            with self.connection(soon=True) as connection:
                connection.execute("SELECT 1")
        except LikeStoreUnavailableError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()


def _remember_every_statement(connection: psycopg.Connection[Any]) -> None:
    connection.prepared_max = None  # a few for each shard: more than psycopg's hundred
