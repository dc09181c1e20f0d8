"""Migrations 0004 to 0007 move the likes to another table while pods and flushers of two releases change them."""

import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
import redis

from service.bootstrap.stores import Stores, create_likes, open_stores
from service.core.flusher import Flusher
from service.storage.postgres.migrate import migrate
from service.storage.postgres.queries import partition
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.earlier.installation import RandomPod, earlier_rows, install, open_earlier_stores
from tests.support.stack.concurrent_load import TrackedLikes, concurrent_load, drain, rows, verified
from tests.support.stack.faults import post_in
from tests.support.stack.leaseless_queue import LeaselessQueue
from tests.support.stack.processes import environment, running
from tests.support.stack.servers import SHARDS, Servers, with_empty_databases
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
# The first shard of the first database is copied first, in many batches.
VIRAL, VIRAL_LIKES = post_in(0, SHARDS, "viral"), 60_000
SEEDED = post_in(1, SHARDS, "seeded")
VISITORS = [urlsafe_b64encode(bytes([at]) * 16).rstrip(b"=").decode() for at in range(12)]
# The same sixteen bytes, if the last four bits are ignored.
NEARLY_VISITORS = [visitor[:-1] + chr(ord(visitor[-1]) + 1) for visitor in VISITORS]
USERS = [f"user:ann-{at}" for at in range(10)] + ["user:~C3~A9~20b", "user:" + "x" * 195]
ACTORS = VISITORS + NEARLY_VISITORS + USERS


@dataclass
class Upgrade:
    """An installation that is migrated, with the stores of both releases."""

    servers: Servers
    earlier: Stores
    new: Stores
    tracked: TrackedLikes = field(init=False)

    def __post_init__(self) -> None:
        self.tracked = TrackedLikes(self.earlier)

    def run_pods(self, *pods: Stores) -> None:
        """Send each following request to one of these pods."""
        self.tracked.likes = RandomPod(pods)

    def query(self, text: str) -> list[tuple[object, ...]]:
        """Return the rows of a query on the first database."""
        url = parse_shard_map(self.servers.settings.shard_map, SHARDS)[0].url
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(text).fetchall()

    def forget_posts(self) -> None:
        """Empty Redis, so that posts are loaded again."""
        for node in self.earlier.shard_client.cluster.primaries():
            with redis.Redis(*node.address) as client:
                client.flushall()

    def assert_consistent(self, *pods: Stores) -> None:
        """Check, as a pod of each release sees it, that counts, rows and actors agree with the requests."""
        for pod in pods:
            drain(pod)
            report = verified(pod)
            assert (report.problems, report.pending, report.dead_letters) == ([], 0, 0)
            self.forget_posts()
            likes = create_likes(pod)
            for post in POSTS:
                expected = self.tracked.expected[post]
                assert likes.state(post, "a-stranger").count == len(expected)
                assert {actor for actor in ACTORS if likes.state(post, actor).liked} == expected
            assert likes.state(VIRAL, "a-stranger").count == VIRAL_LIKES
            assert likes.state(SEEDED, "a-stranger").count == 41


@contextmanager
def flushing(stores: Stores) -> Iterator[Callable[[], int]]:
    """Run a flusher that does not wait for the leases of others. Yield a function that returns what it has stored."""
    stop, stored = threading.Event(), [0]
    flusher = Flusher(LeaselessQueue(stores, 3), stores.like_store, stores.settings, str(id(stores)))

    def run() -> None:
        while not stop.is_set():
            stored[0] += flusher._try_flush()

    with ThreadPoolExecutor(1) as pool:
        running_flusher = pool.submit(run)
        try:
            yield lambda: stored[0]
        finally:
            stop.set()
            running_flusher.result()


@pytest.fixture
def upgrade(servers: Servers) -> Iterator[Upgrade]:
    """Yield an installation of the earlier release, with likes of every kind of actor."""
    own = with_empty_databases(servers)
    install(own.settings)
    with open_earlier_stores(own.settings) as earlier, open_stores(own.settings) as new:
        upgrade = Upgrade(own, earlier, new)
        earlier.like_store.seed(SEEDED, 41)
        upgrade.tracked.like_all([VIRAL], VISITORS[:1])
        upgrade.tracked.like_all(POSTS, ACTORS)
        for post in POSTS:
            upgrade.tracked.unlike(post, USERS[0])
        drain(earlier)
        _grow_viral_post(own)
        upgrade.forget_posts()
        yield upgrade


def _grow_viral_post(servers: Servers) -> None:
    with psycopg.connect(parse_shard_map(servers.settings.shard_map, SHARDS)[0].url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO likes (version, post_id, shard, liked, actor) SELECT number, post_id, shard, true, "
            "rtrim(translate(encode(decode(md5(number::text), 'hex'), 'base64'), '+/', '-_'), '=') "
            "FROM posts, generate_series(2, %s) AS number WHERE post = %s",
            [VIRAL_LIKES, VIRAL],
        )
        connection.execute("UPDATE posts SET n = %s, rev = rev + 1 WHERE post = %s", [VIRAL_LIKES, VIRAL])


def _kill_migration_while_it_copies(upgrade: Upgrade) -> None:
    command = ("-m", "service.cli", "migrate", "--phase", "pre")
    with running(environment(upgrade.servers), *command) as process:
        copied = (
            f"SELECT to_regclass('{partition(0)}') IS NOT NULL AND EXISTS (SELECT FROM likes_to_copy WHERE actor <> '')"
        )
        wait_for(lambda: upgrade.query("SELECT to_regclass('likes_to_copy')") != [(None,)])
        wait_for(lambda: upgrade.query(copied) == [(True,)])
        process.kill()
        process.wait()
    assert upgrade.query("SELECT count(*) FROM likes_to_copy WHERE shard = 0") == [(1,)]
    assert 0 < upgrade.query("SELECT count(*) FROM post_likes WHERE shard = 0")[0][0] < VIRAL_LIKES


def test_likes_are_migrated_under_load_and_both_releases_agree(upgrade: Upgrade) -> None:
    upgrade.assert_consistent(upgrade.earlier)
    upgrade.run_pods(upgrade.earlier)
    with concurrent_load(upgrade.tracked, POSTS, actors=ACTORS) as requests, flushing(upgrade.earlier):
        _kill_migration_while_it_copies(upgrade)
        # A pod of the new release does not use a table that lacks likes.
        assert "lacks migrations of this image" in upgrade.new.like_store.check()[0]
        so_far = requests()
        wait_for(lambda: requests() > so_far + 100)
        migrate(upgrade.servers.settings, ("pre",))
        wait_for(lambda: not upgrade.new.like_store.check())
        upgrade.run_pods(upgrade.earlier, upgrade.new)
        with flushing(upgrade.new) as stored:
            so_far = requests()
            wait_for(lambda: requests() > so_far + 1_000 and stored() > 100, 60)
    upgrade.assert_consistent(upgrade.earlier, upgrade.new)
    assert rows(upgrade.new) == earlier_rows(upgrade.servers.settings)


def test_an_upgrade_is_rolled_back_repeated_and_finished(upgrade: Upgrade) -> None:
    settings = upgrade.servers.settings
    migrate(settings, ("pre",))
    assert rows(upgrade.new) == earlier_rows(settings)
    with concurrent_load(upgrade.tracked, POSTS, actors=ACTORS):
        # The new release, the earlier one again, and the new one for good.
        for release in (upgrade.new, upgrade.earlier, upgrade.new):
            upgrade.run_pods(release)
            with flushing(release) as stored:
                wait_for(lambda stored=stored: stored() > 300, 60)
        with flushing(upgrade.new) as stored:
            assert any("0007 post drop_likes" in line for line in migrate(settings))
            so_far = stored()
            wait_for(lambda: stored() > so_far + 300, 60)
    upgrade.assert_consistent(upgrade.new)
    assert upgrade.query("SELECT to_regclass('likes')") == [(None,)]
    assert upgrade.query("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'post_likes'::regclass") == [(0,)]
    assert migrate(settings) == []
