"""Beside the flushers, on a thread and sockets of its own: does each server answer, do Redis, counts and rows agree?"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Protocol

import structlog

from service.core.verify import PostgresState, RedisState, drift
from service.errors import LikewiseError
from service.instrumentation.flusher_metrics import FlusherMetrics

log = structlog.get_logger(__name__)


class Part(Protocol):
    """Redis, or Postgres."""

    def check(self) -> list[str]:
        """What does not answer, a sentence each."""


class ConsistencyChecks:
    """A round asks every server, and compares one shard that is held here: each shard in turn, by one flusher."""

    def __init__(
        self,
        metrics: FlusherMetrics,
        *,
        redis: Part,
        postgres: Part,
        held: RedisState,
        rows: PostgresState,
        shards: Callable[[], Sequence[int]],
    ) -> None:
        self._metrics = metrics
        self._redis, self._postgres = redis, postgres
        self._held, self._rows = held, rows
        self._shards = shards
        self._turn = itertools.count()
        self._found: dict[int, int] = {}

    def round(self) -> None:
        """One round. A server that is away is counted; anything else that goes wrong is said."""
        try:
            self._metrics.redis_away.set(len(self._redis.check()))
            self._metrics.postgres_away.set(len(self._postgres.check()))
            self._compare()
        except LikewiseError as error:
            log.warning("check not made", reason=str(error))
        except Exception:  # the thread must outlive whatever it meets
            log.exception("check failed")

    def _compare(self) -> None:
        shards = self._shards()
        self._found = {shard: found for shard, found in self._found.items() if shard in shards}
        if shards:
            shard = shards[next(self._turn) % len(shards)]
            problems = drift(self._held, self._rows, shard)
            if problems:
                log.error("counts do not agree", shard=shard, problems=problems[:5], found=len(problems))
            self._found[shard] = len(problems)
            self._metrics.compared.inc()
        self._metrics.drift.set(sum(self._found.values()))


@contextmanager
def repeated(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """Do it again and again on a thread until the end of the block; 0: never."""
    ended = Event()

    def run() -> None:
        while not ended.wait(every_s):
            work()

    thread = Thread(target=run, name="checks", daemon=True)
    if every_s:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if every_s:
            thread.join(2)  # what still waits for a server ends with the process
