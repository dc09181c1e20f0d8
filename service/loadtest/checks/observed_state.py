"""What readers, Redis and Postgres say of the posts of a run; and waiting until it is all there."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from service.bootstrap.stores import Stores, open_stores
from service.core.likes import MAX_POSTS
from service.errors import LikewiseError
from service.loadtest.checks.verdict import Observed
from service.loadtest.generator import target
from service.loadtest.generator.plan import Target
from service.loadtest.generator.pool import Address
from service.settings import Settings
from service.sharding import shard_of

Numbers = Callable[[Sequence[str]], Mapping[str, int]]
_STALE_S = 2.0  # a count that readers see is at most a second old
_LOOK_S = 0.05
_COUNT_ROWS_MS = 30_000  # a million rows on a busy machine take longer than a look-up may


class Pending(Protocol):
    """How many likes are not yet in Postgres; raises LikewiseError where that can't be learned."""

    def __call__(self, posts: Sequence[str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Who is asked about posts. Each raises LikewiseError where it can't be."""

    shown: Numbers  # to readers, by the API
    counted: Numbers  # by Redis
    rows: Numbers  # in Postgres
    pending: Pending
    reader: Callable[[str], int]  # another reader's own connection: the count of one post
    stored: Callable[[str], int]  # likes of one post that Postgres has committed

    def check(self, posts: Sequence[str]) -> None:
        """What can't be reached is said before the load, not after it."""
        self.rows(posts), self.pending(posts), self.counted(posts)


@contextmanager
def open_sources(settings: Settings, where: Target, address: Address) -> Iterator[Sources]:
    """The API at the address, and the Redis and Postgres of the settings."""
    with ExitStack() as stack:
        patient = settings.model_copy(update={"postgres_timeout_ms": _COUNT_ROWS_MS})
        books = Books(stack.enter_context(open_stores(patient)))
        beside = Books(stack.enter_context(open_stores(settings)))  # looks while likes are sent, on sockets of its own
        reader = target.Reader(where, address)
        stack.callback(reader.close)
        yield Sources(
            shown=lambda posts: target.counts(where, address, posts),
            counted=books.counted,
            rows=books.rows,
            pending=books.pending,
            reader=reader.count,
            stored=beside.stored,
        )


class Books:
    """Counts, rows and queues of the posts of a run, and of no others."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def counted(self, posts: Sequence[str]) -> dict[str, int]:
        """Likes of each post by Redis: what is settled, and what is pending."""
        parts = [posts[first : first + MAX_POSTS] for first in range(0, len(posts), MAX_POSTS)]
        found = chain.from_iterable(self._stores.counter.states(part) for part in parts)
        return {state.post: state.count for state in found}

    def rows(self, posts: Sequence[str]) -> dict[str, int]:
        """Likes of each post in Postgres: the rows themselves, where their number is not the stored count."""
        found: dict[str, int] = {}
        for shard, names in self._by_shard(posts).items():
            bases = self._stores.like_store.all_counts(shard)
            real = {post: rows for post, _, rows in self._stores.like_store.wrong_counts(shard)}
            found |= {post: real.get(post, bases[post][0]) for post in names if post in bases}
        return found

    def stored(self, post: str) -> int:
        """Likes of one post that Postgres has committed, by its stored count: cheap enough to ask often."""
        bases = self._stores.like_store.all_counts(shard_of(post, self._stores.settings.shards))
        return bases.get(post, (0, 0))[0]

    def pending(self, posts: Sequence[str]) -> int:
        """Entries in the streams of the posts' shards."""
        lengths = {one.shard: one.length for one in self._stores.queue.poll("", 0)}
        shards = self._by_shard(posts)
        if away := shards.keys() - lengths.keys():
            raise LikewiseError(f"the Redis nodes of {len(away)} shards do not answer")
        return sum(lengths[shard] for shard in shards)

    def _by_shard(self, posts: Sequence[str]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = defaultdict(list)
        for post in posts:
            found[shard_of(post, self._stores.settings.shards)].append(post)
        return found


def observe(
    posts: Sequence[str], sources: Sources, limit_s: float, hurry: Callable[[], bool] = lambda: False
) -> Observed:
    """Wait at most `limit_s` until nothing is pending, then until all agree, and say it all. `hurry`: wait no more."""
    problems: list[str] = []
    left = _wait(posts, sources.pending, limit_s, problems, hurry)
    found = _look(posts, sources, left, problems)
    give_up = time.monotonic() + _STALE_S
    while not (problems or found.agree or hurry()) and time.monotonic() < give_up:
        time.sleep(_LOOK_S)
        found = _look(posts, sources, left, problems)
    return found


def _wait(
    posts: Sequence[str], pending: Pending, limit_s: float, problems: list[str], hurry: Callable[[], bool]
) -> int | None:
    give_up = time.monotonic() + limit_s
    while True:
        try:
            left, reason = pending(posts), ""
        except LikewiseError as error:
            left, reason = None, str(error)
        if left == 0:
            return 0
        if time.monotonic() >= give_up or hurry():
            problems += [f"what is pending could not be learned: {reason}"] if reason else []
            return left
        time.sleep(_LOOK_S)


def _look(posts: Sequence[str], sources: Sources, pending: int | None, problems: list[str]) -> Observed:
    return Observed(
        counted=_read("Redis", sources.counted, posts, problems),
        rows=_read("Postgres", sources.rows, posts, problems),
        shown=_read("the API", sources.shown, posts, problems),
        pending=pending,
        problems=problems,
    )


def _read(whom: str, ask: Numbers, posts: Sequence[str], problems: list[str]) -> dict[str, int]:
    try:
        return {post: count for post, count in ask(posts).items() if count}
    except LikewiseError as error:
        problems.append(f"{whom} could not be asked: {error}")
        return {}
