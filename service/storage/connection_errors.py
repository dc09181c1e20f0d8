"""Counts what Redis and Postgres failed at, by kind, where their drivers' errors end."""

import psycopg
import redis

from service.observability.metrics import POSTGRES_ERRORS, REDIS_ERRORS

_KINDS: dict[type[Exception], str] = {
    redis.TimeoutError: "timeout",
    redis.ConnectionError: "connection",
    TimeoutError: "timeout",
    OSError: "connection",
    redis.exceptions.AskError: "moved",  # MOVED is one too
    redis.exceptions.TryAgainError: "moved",
    redis.exceptions.ClusterDownError: "moved",
    redis.BusyLoadingError: "loading",
    redis.exceptions.MasterDownError: "loading",
    redis.ReadOnlyError: "readonly",
    redis.exceptions.OutOfMemoryError: "full",
}


def note_redis(error: Exception) -> None:
    """Count an error of Redis or of the way to it; a function that is not loaded yet is none."""
    if "Function not found" not in str(error):
        REDIS_ERRORS.labels(redis_kind(error)).inc()


def redis_kind(error: Exception) -> str:
    """One of REDIS_KINDS."""
    if "OOM" in str(error):  # from within a function it comes as another error
        return "full"
    return next((_KINDS[base] for base in type(error).__mro__ if base in _KINDS), "other")


def note_postgres(error: Exception) -> None:
    """Count an error of Postgres or of the way to it."""
    POSTGRES_ERRORS.labels(postgres_kind(error)).inc()


def postgres_kind(error: Exception) -> str:
    """One of POSTGRES_KINDS: no connection, no answer in time, a row that Postgres refuses, anything else."""
    if isinstance(error, (psycopg.DataError, psycopg.IntegrityError)):
        return "refused"
    if isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
        return "timeout"
    return "connection" if isinstance(error, (psycopg.OperationalError, OSError)) else "other"
