"""Whether this pod may be sent requests, by what Redis and Postgres last answered.

They are asked in the background: a probe costs nothing, and waits for nobody. Only Redis' silence, databases that don't
fit and the pod's own end make it unready. While Postgres is away it is ready, as the stream holds what Postgres misses;
but not in a new installation, where Redis can't count yet.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Literal, Protocol

import structlog

log = structlog.get_logger(__name__)
_EVERY_S = 1.0
_WELL_EVERY_S = 5.0  # Postgres, while all is well: each look holds one of few connections
_SAY_AGAIN_S = 10.0
_CLOSE_S = 1.0

Part = Literal["redis", "postgres", "pod"]
Sentences = list[str]


class RedisHealth(Protocol):
    """Redis, as far as this is concerned."""

    def check(self) -> Sentences:
        """What does not answer, a sentence each; empty when all is well."""

    def silent_s(self) -> float:
        """Seconds since any primary last answered; `inf` before the first time."""

    def has_ever_counted(self) -> bool:
        """Whether it has ever taken a like: the first of each shard needs Postgres."""


class PostgresHealth(Protocol):
    """Postgres, as far as this is concerned."""

    def check(self) -> Sentences:
        """What does not answer, a sentence each; empty when all is well."""

    def incompatibilities(self) -> Sentences:
        """Databases that this pod must not work with, a sentence each: unprepared, past its image, of other shards."""


@dataclass(frozen=True, slots=True)
class State:
    """How the pod stands. `part` is what keeps it from being ready, `detail` says how; both '' where it is ready."""

    name: Literal["starting", "ready", "degraded", "unavailable", "stopping"]
    parts: dict[str, Sentences]
    part: Part | Literal[""] = ""
    detail: str = ""

    @property
    def ready(self) -> bool:
        return not self.part

    @property
    def failing(self) -> list[str]:
        return [part for part, sentences in self.parts.items() if sentences]


class Readiness:
    """Asks both parts from `start` to `close`; call `start` in the process that serves, as threads outlive no fork."""

    def __init__(self, redis: RedisHealth, postgres: PostgresHealth, *, silence_s: float) -> None:
        self._redis = redis
        self._postgres = postgres
        self._silence_s = silence_s
        self._parts: dict[str, Sentences] = {part: [f"{part} has not answered yet"] for part in ("redis", "postgres")}
        self._counts_alone = self._was_ready = self._stopping = False
        self._said, self._say_again_at = "", 0.0
        self._closed = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin to ask."""
        asks = (self.check_redis, self.check_postgres)
        self._threads = [Thread(target=self._keep_asking, args=(ask,), name=ask.__name__, daemon=True) for ask in asks]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()
        for thread in self._threads:
            thread.join(_CLOSE_S)

    def stop(self) -> None:
        """Say from now on that the pod is going."""
        self._stopping = True

    def state(self) -> State:
        """How the pod stands now."""
        parts = dict(self._parts)
        if self._stopping:
            return State("stopping", parts, "pod", "This pod is stopping; it still answers what it is sent.")
        part, detail = self._trouble()
        if part:
            return State("unavailable" if self._was_ready else "starting", parts, part, detail)
        self._was_ready = True
        return State("degraded" if any(parts.values()) else "ready", parts)

    def _trouble(self) -> tuple[Part | Literal[""], str]:
        if self._redis.silent_s() > self._silence_s:
            return "redis", " ".join(self._parts["redis"]) or "No Redis primary answers."
        if incompatibilities := self._postgres.incompatibilities():
            return "postgres", " ".join(incompatibilities)
        if self._parts["postgres"] and not self._counts_alone:
            return "postgres", " ".join(self._parts["postgres"])
        return "", ""

    def check_redis(self) -> float:
        """Ask once; the seconds until the next time."""
        self._parts["redis"] = self._redis.check()
        return _EVERY_S

    def check_postgres(self) -> float:
        """Ask once; the seconds until the next time."""
        failing = self._postgres.check()
        self._counts_alone = self._counts_alone or not failing or self._redis.has_ever_counted()
        self._parts["postgres"] = failing
        return _EVERY_S if failing else _WELL_EVERY_S

    def _say(self) -> None:
        """Log how the pod stands when that changes, and again every ten seconds while something fails."""
        state, now = self.state(), time.monotonic()
        if state.name == self._said and (state.name == "ready" or now < self._say_again_at):
            return
        self._said, self._say_again_at = state.name, now + _SAY_AGAIN_S
        if state.name == "ready":
            log.info("ready")
        else:
            reason = state.detail or " ".join(sentence for said in state.parts.values() for sentence in said)
            log.warning(state.name, reason=reason)

    def _keep_asking(self, ask: Callable[[], float]) -> None:
        pause_s = 0.0
        while not self._closed.wait(pause_s):
            try:
                pause_s = ask()
                self._say()
            except Exception:  # the thread must outlive whatever it meets
                log.exception("part not asked", ask=ask.__name__)
                pause_s = _EVERY_S
