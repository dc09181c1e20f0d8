"""Counters of the errors of Redis and Postgres, by kind."""

import psycopg
import redis

from service.observability.metrics import POSTGRES_ERRORS, REDIS_ERRORS

_KINDS: dict[type[Exception], str] = {
    redis.TimeoutError: "timeout",
    redis.ConnectionError: "connection",
    TimeoutError: "timeout",
    OSError: "connection",
    # MovedError is a subclass.
    redis.exceptions.AskError: "moved",
    redis.exceptions.TryAgainError: "moved",
    redis.exceptions.ClusterDownError: "moved",
    redis.BusyLoadingError: "loading",
    redis.exceptions.MasterDownError: "loading",
    redis.ReadOnlyError: "readonly",
    redis.exceptions.OutOfMemoryError: "full",
}


def count_redis_error(error: Exception) -> None:
    """Count an error of Redis or of the connection to it. A function that is not loaded yet is not an error."""
    if "Function not found" not in str(error):
        REDIS_ERRORS.labels(redis_kind(error)).inc()


def redis_kind(error: Exception) -> str:
    """Return one of REDIS_KINDS."""
    # Out of memory inside a function arrives as another class of error.
    if "OOM" in str(error):
        return "full"
    return next((_KINDS[base] for base in type(error).__mro__ if base in _KINDS), "other")


def count_postgres_error(error: Exception) -> None:
    """Count an error of Postgres or of the connection to it."""
    POSTGRES_ERRORS.labels(postgres_kind(error)).inc()


def postgres_kind(error: Exception) -> str:
    """Return one of POSTGRES_KINDS: no connection, no answer in time, a row that Postgres refuses, or another error."""
    if isinstance(error, (psycopg.DataError, psycopg.IntegrityError)):
        return "refused"
    if isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
        return "timeout"
    return "connection" if isinstance(error, (psycopg.OperationalError, OSError)) else "other"
