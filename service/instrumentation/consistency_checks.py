"""Background checks of a flusher process: servers answer, and Redis, counts and rows agree."""

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from service.core.verify import PostgresState, RedisState, drift
from service.errors import LikewiseError
from service.instrumentation.flusher_metrics import FlusherMetrics
from service.periodic_task import PeriodicTask

log = structlog.get_logger(__name__)
_MAX_LOGGED_PROBLEMS = 5
# A check that still waits for a server then ends with the process.
_CLOSE_S = 2.0


class HealthCheck(Protocol):
    """The health of Redis, or of Postgres."""

    def check(self) -> list[str]:
        """Return one sentence for each server that does not answer."""


class ConsistencyChecks:
    """Checks every server and compares one leased shard, every `interval_s` seconds from `start` to `close`.

    The leased shards take turns. `interval_s` 0 switches the checks off. The sockets of the ports must not be those
    of a flusher, which would wait for the checks.
    """

    def __init__(
        self,
        metrics: FlusherMetrics,
        *,
        redis: HealthCheck,
        postgres: HealthCheck,
        redis_state: RedisState,
        postgres_state: PostgresState,
        leased_shards: Callable[[], Sequence[int]],
        interval_s: float,
    ) -> None:
        self._metrics = metrics
        self._redis, self._postgres = redis, postgres
        self._redis_state, self._postgres_state = redis_state, postgres_state
        self._leased_shards = leased_shards
        self._interval_s = interval_s
        self._turn = itertools.count()
        self._problems: dict[int, int] = {}
        self._task = PeriodicTask(
            "consistency-checks", self.run, every_s=interval_s, first_s=interval_s, close_s=_CLOSE_S
        )

    def start(self) -> None:
        """Start the checks, unless they are switched off."""
        if self._interval_s:
            self._task.start()

    def close(self) -> None:
        """End the checks."""
        self._task.close()

    def run(self) -> float:
        """Make one round of checks. Return the seconds until the next round."""
        try:
            self._metrics.redis_primaries_down.set(len(self._redis.check()))
            self._metrics.postgres_databases_down.set(len(self._postgres.check()))
            self._compare_next_shard()
        except LikewiseError as error:
            log.warning("check failed", reason=str(error))
        return self._interval_s

    def _compare_next_shard(self) -> None:
        shards = self._leased_shards()
        self._problems = {shard: problems for shard, problems in self._problems.items() if shard in shards}
        if shards:
            shard = shards[next(self._turn) % len(shards)]
            problems = drift(self._redis_state, self._postgres_state, shard)
            if problems:
                log.error(
                    "counts do not agree", shard=shard, problems=problems[:_MAX_LOGGED_PROBLEMS], found=len(problems)
                )
            self._problems[shard] = len(problems)
            self._metrics.consistency_checks.inc()
        self._metrics.inconsistent_posts.set(sum(self._problems.values()))
