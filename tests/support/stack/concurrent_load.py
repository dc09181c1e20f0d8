"""Likes and unlikes whose acknowledgements are tracked, and the check that counts and rows agree with them."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, create_likes
from service.core.likes import Likes, LikeState
from service.core.verify import ConsistencyReport, verify
from service.errors import UnavailableError
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.waiting import wait_for

ACTORS = [f"actor-{at}" for at in range(36)]


class TrackedLikes:
    """Makes likes and unlikes, and remembers the outcome of each.

    `expected` has the likers of each post by all acknowledged requests. `unacknowledged` has the requests that were
    refused, by post and actor; each may or may not have been applied.
    """

    def __init__(self, stores: Stores, likes: Likes | None = None) -> None:
        self.stores = stores
        self.likes = likes or create_likes(stores)
        self.expected: dict[str, set[str]] = defaultdict(set)
        self.unacknowledged: dict[tuple[str, str], bool] = {}

    def submit(self, post: str, actor: str, liked: bool) -> LikeState:
        """Like or unlike a post, and record the request as acknowledged or refused."""
        try:
            state = self.likes.like(post, actor) if liked else self.likes.unlike(post, actor)
        except UnavailableError:
            self.unacknowledged[post, actor] = liked
            raise
        self.unacknowledged.pop((post, actor), None)
        (self.expected[post].add if liked else self.expected[post].discard)(actor)
        return state

    def like(self, post: str, actor: str) -> LikeState:
        return self.submit(post, actor, True)

    def unlike(self, post: str, actor: str) -> LikeState:
        return self.submit(post, actor, False)

    def like_all(self, posts: Iterable[str], actors: Iterable[str]) -> None:
        """Make each actor like each post."""
        actors = list(actors)
        for post in posts:
            for actor in actors:
                self.like(post, actor)

    def retry_unacknowledged(self) -> None:
        """Repeat the requests that were refused, as a button does."""
        for (post, actor), liked in list(self.unacknowledged.items()):
            self.submit(post, actor, liked)

    def assert_reads_match(self) -> None:
        """Check that counts and states agree with the acknowledged requests."""
        for post, actors in self.expected.items():
            for actor in [*sorted(actors)[:3], "a-stranger"]:
                state = self.likes.state(post, actor)
                assert (state.count, state.liked) == (len(actors), actor in actors), state
                assert not state.approximate

    def assert_consistent(self) -> None:
        """Flush everything, and check that reads, rows and acknowledged requests agree."""
        drain(self.stores)
        report = verified(self.stores)
        assert report.problems == []
        assert (report.pending, report.dead_letters) == (0, 0)
        assert rows(self.stores) == {post: actors for post, actors in self.expected.items() if actors}
        self.assert_reads_match()


@contextmanager
def concurrent_load(
    tracked: TrackedLikes, posts: Sequence[str], seed: int = 7, actors: Sequence[str] = ACTORS
) -> Iterator[Callable[[], int]]:
    """Like and unlike on four threads, each with its own actors. Yield a function that returns the requests so far."""
    stop, done = threading.Event(), [0, 0, 0, 0]

    def run(thread: int) -> None:
        chance = random.Random(seed + thread)
        while not stop.is_set():
            tracked.submit(chance.choice(posts), chance.choice(actors[thread::4]), chance.random() < 0.6)
            done[thread] += 1

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run, thread) for thread in range(4)]
        try:
            yield lambda: sum(done)
        finally:
            stop.set()
            for one in runs:
                one.result()


def verified(stores: Stores) -> ConsistencyReport:
    """Return the result of `likewise verify`."""
    return verify(stores.queue, stores.like_store, stores.settings.shards)


def is_drained(stores: Stores) -> bool:
    """Return whether every shard answers and has nothing pending."""
    statuses = stores.queue.poll("", 0)
    return len(statuses) == stores.settings.shards and all(status.length == 0 for status in statuses)


def drain(stores: Stores, timeout_s: float = 20) -> None:
    """Run a flusher until nothing is pending."""
    flusher = create_flusher(stores)
    wait_for(lambda: flusher._try_flush() == 0 and is_drained(stores), timeout_s)
    flusher.drain()


def rows(stores: Stores) -> dict[str, set[str]]:
    """Return the likers of each post, read from the rows alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for shard_range in parse_shard_map(stores.settings.shard_map, stores.settings.shards):
        with psycopg.connect(shard_range.url, autocommit=True) as connection:
            query = "SELECT post, actor_name(actor) FROM post_likes JOIN posts USING (shard, post_id) WHERE state = 'l'"
            for post, actor in connection.execute(query):
                found[post].add(actor)
    return dict(found)
