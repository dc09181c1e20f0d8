"""Read the counts of a run's posts from the API, Redis and Postgres, and wait until they agree."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from service.bootstrap.stores import Stores, open_stores
from service.core.likes import MAX_POSTS
from service.errors import LikewiseError
from service.loadtest.checks.verdict import ObservedState
from service.loadtest.generator import target
from service.loadtest.generator.plan import Target
from service.loadtest.generator.pool import Address
from service.settings import Settings
from service.sharding import shard_of

ReadCounts = Callable[[Sequence[str]], Mapping[str, int]]
# A count that readers see is at most a second old.
_STALE_S = 2.0
_INTERVAL_S = 0.05
# Counting a million rows on a busy machine takes longer than the timeout of a look-up.
_COUNT_ROWS_MS = 30_000


class ReadPending(Protocol):
    """A function that reads the number of pending likes."""

    def __call__(self, posts: Sequence[str]) -> int:
        """Return the number of likes that are not in Postgres yet. Raises LikewiseError."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Functions that read counts. Each raises LikewiseError if its server does not answer.

    shown: counts that the API shows. counted: counts in Redis. rows: likes in Postgres.
    reader: the count of one post, as the API shows it, on a separate connection.
    stored: the count of one post that Postgres has committed.
    """

    shown: ReadCounts
    counted: ReadCounts
    rows: ReadCounts
    pending: ReadPending
    reader: Callable[[str], int]
    stored: Callable[[str], int]

    def check(self, posts: Sequence[str]) -> None:
        """Raise LikewiseError now, before the load, if Redis or Postgres does not answer."""
        self.rows(posts), self.pending(posts), self.counted(posts)


@contextmanager
def open_sources(settings: Settings, where: Target, address: Address) -> Iterator[Sources]:
    """Open the API at the address, and the Redis and Postgres of the settings."""
    with ExitStack() as stack:
        patient = settings.model_copy(update={"postgres_timeout_ms": _COUNT_ROWS_MS})
        state = StoreReader(stack.enter_context(open_stores(patient)))
        # The sampler reads while likes are sent, so it has its own connections.
        sampled = StoreReader(stack.enter_context(open_stores(settings)))
        reader = target.CountReader(where, address)
        stack.callback(reader.close)
        yield Sources(
            shown=lambda posts: target.read_counts(where, address, posts),
            counted=state.counted,
            rows=state.rows,
            pending=state.pending,
            reader=reader.count,
            stored=sampled.stored,
        )


class StoreReader:
    """Counts, rows and queues of the posts of a run, from Redis and Postgres."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def counted(self, posts: Sequence[str]) -> dict[str, int]:
        """Return the likes of each post in Redis, stored and pending ones."""
        parts = [posts[first : first + MAX_POSTS] for first in range(0, len(posts), MAX_POSTS)]
        states = chain.from_iterable(self._stores.counter.states(part) for part in parts)
        return {state.post: state.count for state in states}

    def rows(self, posts: Sequence[str]) -> dict[str, int]:
        """Return the likes of each post in Postgres. Rows are counted where the stored count is wrong."""
        rows: dict[str, int] = {}
        for shard, names in self._by_shard(posts).items():
            stored = self._stores.like_store.all_counts(shard)
            corrected = {post: count for post, _, count in self._stores.like_store.wrong_counts(shard)}
            rows |= {post: corrected.get(post, stored[post][0]) for post in names if post in stored}
        return rows

    def stored(self, post: str) -> int:
        """Return the stored count of one post, which is cheap enough to be read often."""
        stored = self._stores.like_store.all_counts(shard_of(post, self._stores.settings.shards))
        return stored.get(post, (0, 0))[0]

    def pending(self, posts: Sequence[str]) -> int:
        """Return the number of entries in the streams of the posts' shards."""
        lengths = {status.shard: status.length for status in self._stores.queue.poll("", 0)}
        shards = self._by_shard(posts)
        if missing := shards.keys() - lengths.keys():
            raise LikewiseError(f"the Redis nodes of {len(missing)} shards do not answer")
        return sum(lengths[shard] for shard in shards)

    def _by_shard(self, posts: Sequence[str]) -> dict[int, list[str]]:
        by_shard: dict[int, list[str]] = defaultdict(list)
        for post in posts:
            by_shard[shard_of(post, self._stores.settings.shards)].append(post)
        return by_shard


def observe(
    posts: Sequence[str], sources: Sources, limit_s: float, is_canceled: Callable[[], bool] = lambda: False
) -> ObservedState:
    """Wait up to `limit_s` until nothing is pending, then until all sources agree, and return what they say.

    `is_canceled` ends the waiting. What could not be read is in the problems of the state.
    """
    return _Observation(posts, sources, is_canceled).run(limit_s)


@dataclass
class _Observation:
    posts: Sequence[str]
    sources: Sources
    is_canceled: Callable[[], bool]
    problems: list[str] = field(default_factory=list)

    def run(self, limit_s: float) -> ObservedState:
        pending = self._wait_for_queue(limit_s)
        state = self._read_all(pending)
        give_up = time.monotonic() + _STALE_S
        while not (self.problems or state.agree or self.is_canceled()) and time.monotonic() < give_up:
            time.sleep(_INTERVAL_S)
            state = self._read_all(pending)
        return state

    def _wait_for_queue(self, limit_s: float) -> int | None:
        """Return how many likes are still pending, None if that is unknown."""
        give_up = time.monotonic() + limit_s
        while True:
            try:
                pending, reason = self.sources.pending(self.posts), ""
            except LikewiseError as error:
                pending, reason = None, str(error)
            if pending == 0:
                return 0
            if time.monotonic() >= give_up or self.is_canceled():
                self.problems += [f"the number of pending likes could not be read: {reason}"] if reason else []
                return pending
            time.sleep(_INTERVAL_S)

    def _read_all(self, pending: int | None) -> ObservedState:
        return ObservedState(
            counted=self._read("Redis", self.sources.counted),
            rows=self._read("Postgres", self.sources.rows),
            shown=self._read("the API", self.sources.shown),
            pending=pending,
            problems=self.problems,
        )

    def _read(self, name: str, read: ReadCounts) -> dict[str, int]:
        try:
            return {post: count for post, count in read(self.posts).items() if count}
        except LikewiseError as error:
            self.problems.append(f"{name} could not be read: {error}")
            return {}
