"""People who like and unlike, what they were told, and whether it came true."""

from collections import defaultdict
from collections.abc import Iterable

import psycopg

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, create_likes
from service.core.likes import Likes, LikeState
from service.core.verify import ConsistencyReport, verify
from service.errors import UnavailableError
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.waiting import wait_for


class Crowd:
    """Every acknowledged wish is remembered, and every one that was refused: those may have come true or not."""

    def __init__(self, stores: Stores, likes: Likes | None = None) -> None:
        self.stores = stores
        self.likes = likes or create_likes(stores)
        self.expected: dict[str, set[str]] = defaultdict(set)
        self.unsure: dict[tuple[str, str], bool] = {}

    def submit(self, post: str, actor: str, liked: bool) -> LikeState:
        """A like or an unlike, noted once it is acknowledged."""
        try:
            state = self.likes.like(post, actor) if liked else self.likes.unlike(post, actor)
        except UnavailableError:
            self.unsure[post, actor] = liked
            raise
        self.unsure.pop((post, actor), None)
        (self.expected[post].add if liked else self.expected[post].discard)(actor)
        return state

    def like(self, post: str, actor: str) -> LikeState:
        return self.submit(post, actor, True)

    def unlike(self, post: str, actor: str) -> LikeState:
        return self.submit(post, actor, False)

    def like_all(self, posts: Iterable[str], actors: Iterable[str]) -> None:
        """Each actor likes each post."""
        actors = list(actors)
        for post in posts:
            for actor in actors:
                self.like(post, actor)

    def ask_again(self) -> None:
        """Whoever was refused repeats the wish, as buttons do."""
        for (post, actor), liked in list(self.unsure.items()):
            self.submit(post, actor, liked)

    def assert_shown(self) -> None:
        """Counts and states, as anyone may ask for them, are what was acknowledged."""
        for post, actors in self.expected.items():
            for actor in [*sorted(actors)[:3], "a-stranger"]:
                state = self.likes.state(post, actor)
                assert (state.count, state.liked) == (len(actors), actor in actors), state
                assert not state.approximate

    def assert_exact(self) -> None:
        """With a flusher at work everything gets to Postgres: shown, rows and acknowledged wishes are the same."""
        drain(self.stores)
        report = verified(self.stores)
        assert report.problems == []
        assert (report.pending, report.dead_letters) == (0, 0)
        assert rows(self.stores) == {post: actors for post, actors in self.expected.items() if actors}
        self.assert_shown()


def verified(stores: Stores) -> ConsistencyReport:
    """What `likewise verify` says."""
    return verify(stores.queue, stores.like_store, stores.settings.shards)


def is_drained(stores: Stores) -> bool:
    """Whether every shard answers and holds nothing that is not in Postgres."""
    polled = stores.queue.poll("", 0)
    return len(polled) == stores.settings.shards and all(one.length == 0 for one in polled)


def drain(stores: Stores, timeout_s: float = 20) -> None:
    """Run a flusher until nothing is pending."""
    flusher = create_flusher(stores)
    wait_for(lambda: flusher._try_flush() == 0 and is_drained(stores), timeout_s)
    flusher.drain()


def rows(stores: Stores) -> dict[str, set[str]]:
    """Who likes what, by the rows alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for held in parse_shard_map(stores.settings.shard_map, stores.settings.shards):
        with psycopg.connect(held.url, autocommit=True) as connection:
            query = "SELECT post, actor FROM likes JOIN posts USING (shard, post_id) WHERE liked"
            for post, actor in connection.execute(query):
                found[post].add(actor)
    return dict(found)
