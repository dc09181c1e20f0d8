"""Kinds of errors, and counters of the count cache."""

import psycopg
import pytest
import redis
from prometheus_client import REGISTRY
from psycopg_pool import PoolTimeout

from service.core.likes import Likes, LikeState
from service.observability.metrics import POSTGRES_KINDS, REDIS_KINDS
from service.storage.connection_errors import count_redis_error, postgres_kind, redis_kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.ConnectionError("Connection refused"), "connection"),
        (ConnectionResetError(), "connection"),
        (redis.TimeoutError("Timeout reading from socket"), "timeout"),
        (redis.exceptions.MovedError("7 127.0.0.1:7000"), "moved"),
        (redis.exceptions.ClusterDownError("Hash slot not served"), "moved"),
        (redis.BusyLoadingError("Redis is loading"), "loading"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "readonly"),
        (redis.ResponseError("OOM command not allowed when used memory > 'maxmemory', script: x"), "full"),
        (redis.ResponseError("ERR user_script:7: attempt to index nil"), "other"),
    ],
)
def test_redis_errors_have_a_kind(error: Exception, kind: str) -> None:
    assert redis_kind(error) == kind
    assert kind in REDIS_KINDS


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PoolTimeout("couldn't get a connection after 2.00 sec"), "connection"),
        (psycopg.errors.AdminShutdown("terminating connection"), "connection"),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), "timeout"),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), "timeout"),
        (psycopg.errors.UntranslatableCharacter("a NUL"), "refused"),
        (psycopg.errors.UndefinedTable("no posts"), "other"),
    ],
)
def test_postgres_errors_have_a_kind(error: Exception, kind: str) -> None:
    assert postgres_kind(error) == kind
    assert kind in POSTGRES_KINDS


def test_a_function_that_is_not_loaded_yet_is_not_an_error() -> None:
    before = value("likewise_redis_errors_total", kind="other")
    count_redis_error(redis.ResponseError("ERR Function not found"))
    assert value("likewise_redis_errors_total", kind="other") == before
    count_redis_error(redis.ResponseError("ERR something"))
    assert value("likewise_redis_errors_total", kind="other") == before + 1


class FakeCounter:
    """A counter with three likes for every post."""

    def states(self, posts: list[str], actor: str = "") -> list[LikeState]:
        return [LikeState(post, False, False, 3, 1) for post in posts]


def test_cache_hits_are_counted_with_the_next_miss() -> None:
    likes = Likes(counter=FakeCounter(), like_store=None, cache_ms=60_000)
    hits, misses, readings = counted()
    likes.counts(["a", "b"])
    likes.counts(["a", "b"])
    likes.counts(["a", "c"])
    assert counted() == (hits + 3, misses + 3, readings + 2)
    # A new like may be missing for as long as a cache entry lives.
    assert value("likewise_count_staleness_seconds_sum") >= 2 * 60


def counted() -> tuple[float, float, float]:
    cache = "likewise_count_cache_lookups_total"
    return value(cache, result="hit"), value(cache, result="miss"), value("likewise_count_staleness_seconds_count")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
