"""A viral post is looked up by whole keys, also with stale statistics: its rows must never be read through."""

import re

import psycopg
import pytest

from service.store.databases import _BY_KEY
from service.store.queries import query
from service.store.shard_map import parse_shard_map
from tests.conftest import SHARDS

SHARD = 3
LIKERS = 3_000
WISHES = {
    "shard": SHARD,
    "posts": ["viral"] * 200,
    "actors": [f"new-{at}" for at in range(200)],
    "liked": [True] * 200,
    "versions": list(range(10_000, 10_200)),
}
LOAD = {"shards": [SHARD] * 200, "posts": ["viral"] * 200, "actors": WISHES["actors"]}


@pytest.fixture
def viral(servers):
    """A connection to a database that believes a post has one liker, and a few thousand that it does not know of."""
    held = next(held for held in parse_shard_map(servers.settings.shard_map, SHARDS) if SHARD in held.shards)
    with psycopg.connect(held.url, autocommit=True, options=_BY_KEY) as connection:
        posts = "INSERT INTO posts (shard, post_id, post) VALUES (%s, 1, 'viral'), (%s, 2, 'b'), (%s, 3, 'c')"
        connection.execute(posts, [SHARD] * 3)
        likes = "INSERT INTO likes (shard, post_id, actor, liked, version) SELECT %s, 1, 'actor-' || n, true, n "
        connection.execute(likes + "FROM generate_series(1, 1) AS n", [SHARD])
        connection.execute("ANALYZE")
        connection.execute(likes + f"FROM generate_series(2, {LIKERS}) AS n", [SHARD])
        connection.execute("SET plan_cache_mode = force_generic_plan")
        yield connection
        connection.execute("TRUNCATE posts, likes")
        connection.execute("ANALYZE")


@pytest.mark.parametrize(("name", "shard", "asked"), [("store_wishes", SHARD, WISHES), ("load", None, LOAD)])
def test_likes_are_looked_up_by_their_whole_key(viral, name, shard, asked):
    explain = psycopg.sql.SQL("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ") + query(name, shard)
    with viral.transaction(force_rollback=True):
        plan = "\n".join(line for (line,) in viral.execute(explain, asked).fetchall())
    read = [float(rows) for rows in re.findall(r"(?:actual rows=|Rows Removed by [A-Za-z ]+: )([0-9.]+)", plan)]
    assert read
    assert max(read) <= len(WISHES["posts"]), plan
