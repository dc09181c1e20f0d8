"""What Redis still queues and what Postgres holds of the posts of a run; and waiting until it is all there."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from service.app import Stores
from service.drill.verdict import Observed
from service.errors import LikewiseError
from service.sharding import shard_of

Numbers = Callable[[Sequence[str]], Mapping[str, int]]
_STALE_S = 2.0  # a count that readers see is at most a second old
_LOOK_S = 0.05


class Pending(Protocol):
    """How many likes are not yet in Postgres; raises LikewiseError where that can't be learned."""

    def __call__(self, posts: Sequence[str]) -> int: ...


class Books:
    """The rows and queues of the posts of a run, and of no others."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def rows(self, posts: Sequence[str]) -> dict[str, int]:
        """Likes of each post in Postgres: the rows themselves, where their number is not the stored count."""
        found: dict[str, int] = {}
        for shard, names in self._by_shard(posts).items():
            bases = self._stores.ledger.all_bases(shard)
            real = {post: rows for post, _, rows in self._stores.ledger.wrong_counts(shard)}
            found |= {post: real.get(post, bases[post][0]) for post in names if post in bases}
        return found

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


def observe(posts: Sequence[str], *, counts: Numbers, rows: Numbers, pending: Pending, limit_s: float) -> Observed:
    """Wait at most `limit_s` until nothing is pending, then until readers see what Postgres holds, and say it all."""
    problems: list[str] = []
    left = _wait(posts, pending, limit_s, problems)
    stored = _read("Postgres", rows, posts, problems)
    shown = _read("the API", counts, posts, problems)
    give_up = time.monotonic() + _STALE_S
    while not problems and shown != stored and time.monotonic() < give_up:
        time.sleep(_LOOK_S)
        shown = _read("the API", counts, posts, problems)
        stored = _read("Postgres", rows, posts, problems)
    return Observed(shown=shown, rows=stored, pending=left, problems=problems)


def _wait(posts: Sequence[str], pending: Pending, limit_s: float, problems: list[str]) -> int | None:
    give_up = time.monotonic() + limit_s
    while True:
        try:
            left, reason = pending(posts), ""
        except LikewiseError as error:
            left, reason = None, str(error)
        if left == 0:
            return 0
        if time.monotonic() >= give_up:
            problems += [f"what is pending could not be learned: {reason}"] if reason else []
            return left
        time.sleep(_LOOK_S)


def _read(whom: str, ask: Numbers, posts: Sequence[str], problems: list[str]) -> dict[str, int]:
    try:
        return {post: count for post, count in ask(posts).items() if count}
    except LikewiseError as error:
        problems.append(f"{whom} could not be asked: {error}")
        return {}
