"""Readiness of a pod, by the state of Redis and Postgres."""

import math

import pytest

from service.core import readiness
from service.core.readiness import Readiness
from tests.support.fake_stores import FakeLikeCounter, FakeLikeStore
from tests.support.waiting import wait_for

AWAY = "Postgres db:5432/likewise does not answer"
INCOMPATIBLE = "Postgres db:5432/likewise is not prepared: run `likewise migrate`"


@pytest.fixture
def redis() -> FakeLikeCounter:
    """Return a Redis that has not answered yet."""
    return FakeLikeCounter(FakeLikeStore(), answer_age_s=math.inf)


@pytest.fixture
def postgres() -> FakeLikeStore:
    return FakeLikeStore()


@pytest.fixture
def pod(redis: FakeLikeCounter, postgres: FakeLikeStore) -> Readiness:
    return Readiness(redis, postgres, unready_after_s=5)


def test_a_pod_is_not_ready_before_the_first_answers(pod, redis):
    assert (pod.state().name, pod.state().part) == ("starting", "redis")
    redis.answer_age_s = 0
    pod.check_redis()
    assert (pod.state().name, pod.state().part) == ("starting", "postgres")
    pod.check_postgres()
    assert (pod.state().name, pod.state().failing) == ("ready", [])


def test_a_pod_starts_without_postgres(pod, redis, postgres):
    redis.answer_age_s = 0
    postgres.failing = [AWAY]
    pod.check_redis()
    pod.check_postgres()
    assert (pod.state().name, pod.state().parts) == ("degraded", {"redis": [], "postgres": [AWAY]})


def test_a_new_installation_waits_for_postgres(pod, redis, postgres):
    redis.answer_age_s, redis.has_counted = 0, False
    postgres.failing = [AWAY]
    pod.check_redis()
    pod.check_postgres()
    assert (pod.state().name, pod.state().part, pod.state().detail) == ("starting", "postgres", AWAY)
    postgres.failing = []
    pod.check_postgres()
    assert pod.state().name == "ready"
    postgres.failing = [AWAY]
    pod.check_postgres()
    assert pod.state().name == "degraded"


def test_an_incompatible_database_makes_a_pod_unready(pod, redis, postgres):
    redis.answer_age_s = 0
    postgres.failing = postgres.incompatible = [INCOMPATIBLE]
    pod.check_postgres()
    assert (pod.state().name, pod.state().part, pod.state().detail) == ("starting", "postgres", INCOMPATIBLE)
    postgres.failing = postgres.incompatible = []
    pod.check_redis()
    pod.check_postgres()
    assert pod.state().name == "ready"


@pytest.mark.parametrize(("answer_age_s", "name"), [(4.9, "degraded"), (5.1, "unavailable"), (math.inf, "unavailable")])
def test_a_silence_of_five_seconds_is_tolerated(pod, redis, answer_age_s, name):
    redis.answer_age_s = 0
    pod.check_redis()
    pod.check_postgres()
    assert pod.state().ready
    redis.answer_age_s, redis.failing = answer_age_s, ["Redis a:6379 does not answer"]
    pod.check_redis()
    assert (pod.state().name, pod.state().failing) == (name, ["redis"])


def test_a_stopping_pod_is_not_ready(pod, redis):
    redis.answer_age_s = 0
    pod.check_redis()
    pod.check_postgres()
    pod.stop()
    assert (pod.state().name, pod.state().part, pod.state().ready) == ("stopping", "pod", False)


def test_healthy_postgres_is_checked_less_often(pod, postgres):
    healthy_s = pod.check_postgres()
    postgres.failing = [AWAY]
    assert pod.check_postgres() < healthy_s


def test_an_unexpected_error_does_not_end_the_checks(redis, postgres, monkeypatch, capsys):
    monkeypatch.setattr(readiness, "_CHECK_EVERY_S", 0.01)
    errors = iter([RuntimeError("unexpected")])

    def check() -> list[str]:
        if error := next(errors, None):
            raise error
        return []

    postgres.check = check
    pod = Readiness(redis, postgres, unready_after_s=5)
    pod.start()
    try:
        wait_for(lambda: pod.state().parts["postgres"] == [])
    finally:
        pod.close()
    assert "periodic task failed" in capsys.readouterr().out
