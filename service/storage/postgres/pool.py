"""A connection pool for each Postgres database. Errors of psycopg do not leave it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from service.errors import LikeStoreTimeoutError, LikeStoreUnavailableError
from service.settings import Settings
from service.storage.connection_errors import count_postgres_error
from service.storage.postgres.actor_keys import ActorKeys, ActorKeysDumper
from service.storage.postgres.schema import incompatibility
from service.storage.postgres.shard_map import ShardRange

# Calls fail at once for this time after a failure, instead of waiting for a timeout each.
_FAIL_FAST_S = 0.5
# A batch may take this many times as long as a lookup.
_BATCH_TIMEOUT_FACTOR = 5
# Every statement finds its rows by key. A plan that was made and kept while a table was small would read all of it.
_PLAN_BY_KEY = "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"


class _Connection(psycopg.Connection[Any]):
    """Gives up on a server that hangs, where the server's own statement_timeout would never fire."""

    timeout_s = float("inf")

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        try:
            return super().wait(_with_timeout(gen, self.timeout_s), *args, **options)
        except _NoAnswerError:
            # The rest of the reply must not reach the next caller.
            self.close()
            raise


class _NoAnswerError(psycopg.errors.QueryCanceled):
    """The server did not answer in time, so the client canceled the statement."""


def _with_timeout(gen: PQGen[RV], timeout_s: float) -> PQGen[RV]:
    """Run `gen` with a timeout. psycopg also resumes it at intervals while nothing is ready."""
    give_up = time.monotonic() + timeout_s
    try:
        state = next(gen)
        while True:
            ready = yield state
            if not ready and time.monotonic() > give_up:
                raise _NoAnswerError("no answer in time")
            state = gen.send(ready)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


class Database:
    """One Postgres database behind a pool, which opens on first use.

    While the database is unavailable, calls fail at once. `incompatibility` says why its tables do not fit. It is
    empty if they do.
    """

    def __init__(self, shard_range: ShardRange, settings: Settings) -> None:
        self.range = shard_range
        self.incompatibility = ""
        self._shards = settings.shards
        self._timeout_s = settings.postgres_timeout_ms / 1000
        self._fail_fast_until = 0.0
        self._is_compatible = False
        self._pool = _create_pool(shard_range, settings)

    @contextmanager
    def connection(self, *, interactive: bool = False) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection in autocommit mode. `interactive` has the short timeout of a call that a request awaits.

        Raises LikeStoreUnavailableError, and without a wait if a call has failed just before. Raises its subclass
        LikeStoreTimeoutError if a statement took too long.
        """
        if time.monotonic() < self._fail_fast_until:
            raise LikeStoreUnavailableError(self.incompatibility or f"Postgres {self.range.name} does not answer")
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                connection.timeout_s = self._timeout_s * (1 if interactive else _BATCH_TIMEOUT_FACTOR + 1)
                if not self._is_compatible:
                    self._check_compatibility(connection)
                yield connection
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            count_postgres_error(error)
            raise
        except (psycopg.Error, PoolTimeout, PoolClosed, OSError) as error:
            count_postgres_error(error)
            self._fail_fast_until = time.monotonic() + _FAIL_FAST_S
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> LikeStoreUnavailableError:
        reason = f"Postgres {self.range.name}: {str(error).strip() or type(error).__name__}"
        if isinstance(error, psycopg.errors.QueryCanceled):
            return LikeStoreTimeoutError(reason)
        return LikeStoreUnavailableError(reason)

    def _check_compatibility(self, connection: psycopg.Connection[Any]) -> None:
        """Check once, before the first use, that the tables are of this version and of these shards."""
        self.incompatibility = incompatibility(connection, self.range, self._shards)
        if self.incompatibility:
            self._fail_fast_until = time.monotonic() + _FAIL_FAST_S
            raise LikeStoreUnavailableError(self.incompatibility)
        self._is_compatible = True

    def check(self) -> str | None:
        """Return one sentence if the database does not answer or is incompatible."""
        try:
            with self.connection(interactive=True) as connection:
                connection.execute("SELECT 1")
        except LikeStoreUnavailableError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()


def _create_pool(shard_range: ShardRange, settings: Settings) -> ConnectionPool[_Connection]:
    timeout_ms = settings.postgres_timeout_ms
    timeout_s = timeout_ms / 1000
    limits = f"-c statement_timeout={timeout_ms * _BATCH_TIMEOUT_FACTOR} -c lock_timeout={timeout_ms}"
    return ConnectionPool(
        shard_range.url,
        min_size=0,
        max_size=settings.postgres_pool,
        open=False,
        connection_class=_Connection,
        timeout=timeout_s,
        reconnect_timeout=timeout_s,
        kwargs={
            "autocommit": True,
            "prepare_threshold": 2,
            "application_name": "likewise",
            "connect_timeout": max(2, round(timeout_s)),
            "options": f"{limits} {_PLAN_BY_KEY}",
        },
        configure=_configure,
    )


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(ActorKeys, ActorKeysDumper)
    # A few statements for each shard are more than psycopg's default of one hundred.
    connection.prepared_max = None
