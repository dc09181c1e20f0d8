"""Databases of the earlier release, and its pods and flushers."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import psycopg

from service.bootstrap import stores
from service.bootstrap.stores import Stores, create_likes
from service.core.likes import Likes, LikeState
from service.settings import Settings
from service.storage.postgres import migrate
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.earlier.like_store import EarlierLikeStore

_LAST_MIGRATION = 3


def install(settings: Settings) -> None:
    """Prepare empty databases as the earlier release does."""
    known = [one for one in migrate.migrations() if one.number <= _LAST_MIGRATION]
    with patch.object(migrate, "migrations", lambda: known):
        migrate.migrate(settings)


@contextmanager
def open_earlier_stores(settings: Settings) -> Iterator[Stores]:
    """Yield the stores of the earlier release, and close them at the end of the block."""
    with patch.object(stores, "PostgresLikeStore", EarlierLikeStore):
        opened = stores.create_stores(settings)
    try:
        yield opened
    finally:
        opened.close()


class RandomPod:
    """Likes through a pod of a random release."""

    def __init__(self, pods: Sequence[Stores], seed: int = 7) -> None:
        self._likes: list[Likes] = [create_likes(pod) for pod in pods]
        self._chance = random.Random(seed)

    def like(self, post: str, actor: str) -> LikeState:
        return self._chance.choice(self._likes).like(post, actor)

    def unlike(self, post: str, actor: str) -> LikeState:
        return self._chance.choice(self._likes).unlike(post, actor)

    def state(self, post: str, actor: str) -> LikeState:
        return self._chance.choice(self._likes).state(post, actor)


def earlier_rows(settings: Settings) -> dict[str, set[str]]:
    """Return the likers of each post, read from the rows of the earlier release."""
    found: dict[str, set[str]] = defaultdict(set)
    for shard_range in parse_shard_map(settings.shard_map, settings.shards):
        with psycopg.connect(shard_range.url, autocommit=True) as connection:
            query = "SELECT post, actor FROM likes JOIN posts USING (shard, post_id) WHERE liked"
            for post, actor in connection.execute(query):
                found[post].add(actor)
    return dict(found)
