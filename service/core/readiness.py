"""Readiness of an API pod, from the last answers of Redis and Postgres.

Both are checked in the background, so a readiness probe costs nothing and waits for nothing. A pod is not ready while
no Redis primary answers, while a database is incompatible with its image, and once it is stopping. A pod stays ready
while Postgres is unavailable, because the streams in Redis hold what is not in Postgres yet. The exception is a new
installation: Redis cannot count there until Postgres has answered once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from service.periodic_task import PeriodicTask

log = structlog.get_logger(__name__)
_CHECK_EVERY_S = 1.0
# A check holds one of few connections to Postgres, so it is made less often while all is well.
_CHECK_HEALTHY_POSTGRES_EVERY_S = 5.0
_LOG_AGAIN_S = 10.0

Part = Literal["redis", "postgres", "pod"]
Failures = list[str]


class RedisHealth(Protocol):
    """The health of Redis."""

    def check(self) -> Failures:
        """Return one sentence for each primary that does not answer."""

    def last_answer_age_s(self) -> float:
        """Return the seconds since any primary last answered; `inf` before the first answer."""

    def has_ever_counted(self) -> bool:
        """Return whether Redis has counted a like before. The first like of each shard needs Postgres."""


class PostgresHealth(Protocol):
    """The health of Postgres."""

    def check(self) -> Failures:
        """Return one sentence for each database that does not answer."""

    def incompatibilities(self) -> Failures:
        """Return one sentence for each database that this pod must not use.

        Such a database is not migrated yet, is newer than this image, or holds other shards.
        """


@dataclass(frozen=True, slots=True)
class PodState:
    """The readiness of a pod. `part` is what keeps it from being ready, `detail` the reason; both empty if it is."""

    name: Literal["starting", "ready", "degraded", "unavailable", "stopping"]
    parts: dict[str, Failures]
    part: Part | Literal[""] = ""
    detail: str = ""

    @property
    def ready(self) -> bool:
        """Whether the pod may receive requests."""
        return not self.part

    @property
    def failing(self) -> list[str]:
        """The names of the parts that fail."""
        return [part for part, failures in self.parts.items() if failures]


class Readiness:
    """Checks Redis and Postgres from `start` to `close`.

    Call `start` in the process that serves requests, because threads do not survive a fork.
    """

    def __init__(self, redis: RedisHealth, postgres: PostgresHealth, *, unready_after_s: float) -> None:
        self._redis = redis
        self._postgres = postgres
        self._unready_after_s = unready_after_s
        self._parts: dict[str, Failures] = {part: [f"{part} has not answered yet"] for part in ("redis", "postgres")}
        self._can_count_without_postgres = self._was_ready = self._stopping = False
        self._logged_state, self._log_again_at = "", 0.0
        self._tasks = [
            PeriodicTask("readiness-redis", lambda: self._run(self.check_redis), every_s=_CHECK_EVERY_S),
            PeriodicTask("readiness-postgres", lambda: self._run(self.check_postgres), every_s=_CHECK_EVERY_S),
        ]

    def start(self) -> None:
        """Start the checks."""
        for task in self._tasks:
            task.start()

    def close(self) -> None:
        """End the checks."""
        for task in self._tasks:
            task.close()

    def stop(self) -> None:
        """Report from now on that the pod is stopping."""
        self._stopping = True

    def state(self) -> PodState:
        """Return the current state of the pod."""
        parts = dict(self._parts)
        if self._stopping:
            return PodState("stopping", parts, "pod", "This pod is stopping; it still answers requests.")
        part, detail = self._failing_part()
        if part:
            return PodState("unavailable" if self._was_ready else "starting", parts, part, detail)
        self._was_ready = True
        return PodState("degraded" if any(parts.values()) else "ready", parts)

    def _failing_part(self) -> tuple[Part | Literal[""], str]:
        if self._redis.last_answer_age_s() > self._unready_after_s:
            return "redis", " ".join(self._parts["redis"]) or "No Redis primary answers."
        if incompatibilities := self._postgres.incompatibilities():
            return "postgres", " ".join(incompatibilities)
        if self._parts["postgres"] and not self._can_count_without_postgres:
            return "postgres", " ".join(self._parts["postgres"])
        return "", ""

    def check_redis(self) -> float:
        """Check Redis once. Return the seconds until the next check."""
        self._parts["redis"] = self._redis.check()
        return _CHECK_EVERY_S

    def check_postgres(self) -> float:
        """Check Postgres once. Return the seconds until the next check."""
        failures = self._postgres.check()
        if not self._can_count_without_postgres:
            self._can_count_without_postgres = not failures or self._redis.has_ever_counted()
        self._parts["postgres"] = failures
        return _CHECK_EVERY_S if failures else _CHECK_HEALTHY_POSTGRES_EVERY_S

    def _run(self, check: Callable[[], float]) -> float:
        pause_s = check()
        self._log_state()
        return pause_s

    def _log_state(self) -> None:
        """Log a change of state, and log it again every ten seconds while something fails."""
        state, now = self.state(), time.monotonic()
        if state.name == self._logged_state and (state.name == "ready" or now < self._log_again_at):
            return
        self._logged_state, self._log_again_at = state.name, now + _LOG_AGAIN_S
        if state.name == "ready":
            log.info("ready")
        else:
            reason = state.detail or " ".join(failure for failures in state.parts.values() for failure in failures)
            log.warning(state.name, reason=reason)
