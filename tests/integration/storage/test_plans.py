"""Query plans. Posts and likes are found by whole keys, even by plans made while the tables were small."""

import re
from itertools import count
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from service.storage.postgres.actor_keys import actor_key
from service.storage.postgres.pool import _PLAN_BY_KEY
from service.storage.postgres.queries import query
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.stack.servers import SHARDS

SHARD, OTHER = 3, 4
MANY = 3_000
AT_ONCE = 200
ACTORS = [UUID(bytes=actor_key(f"new-{at}")) for at in range(AT_ONCE)]
# These like the viral post already.
KNOWN = [UUID(bytes=actor_key(f"actor-{at + 1}")) for at in range(AT_ONCE)]
OF_ONE = {"shards": [SHARD] * 2, "posts": ["viral", "b"]}
OF_TWO = {"shards": [SHARD, SHARD, OTHER], "posts": ["viral", "b", "viral"]}
LIKE_REQUESTS = {"actors": ACTORS, "liked": [True] * AT_ONCE, "versions": list(range(10**12, 10**12 + AT_ONCE))}
UNLIKE_REQUESTS = LIKE_REQUESTS | {"actors": KNOWN, "liked": [False] * AT_ONCE, "places": [1] * AT_ONCE}
LOAD = {"shards": [SHARD] * AT_ONCE, "posts": ["viral"] * AT_ONCE, "actors": ACTORS}
STATEMENTS = [
    ("add_posts", None, {"shards": [SHARD] * 3, "posts": ["viral", "new", "b"]}),
    ("store_likes", SHARD, {**OF_ONE, **LIKE_REQUESTS, "places": [at % 2 + 1 for at in range(AT_ONCE)]}),
    ("store_likes", None, {**OF_TWO, **LIKE_REQUESTS, "places": [at % 3 + 1 for at in range(AT_ONCE)]}),
    ("store_likes", SHARD, {**OF_ONE, **UNLIKE_REQUESTS}),
    ("store_likes", None, {**OF_TWO, **UNLIKE_REQUESTS}),
    ("load", None, LOAD),
    ("load_members", SHARD, {"shard": SHARD, "post": "b"}),
]
# Reads that the indexes of post_likes are for.
NEWEST = f"""
SELECT actor FROM post_likes WHERE shard = %(shard)s AND post_id = 1 AND state = 'l'
ORDER BY like_period(liked_at, version) DESC, coalesce(liked_at, version) DESC, actor LIMIT {AT_ONCE // 2}
"""
OF_ACTOR = "SELECT post_id, state FROM post_likes WHERE actor = %(actor)s"


@pytest.fixture
def connection(servers):
    """Yield a connection to a database with two shards of three posts, one of which has a like."""
    ranges = parse_shard_map(servers.settings.shard_map, SHARDS)
    url = next(shard_range.url for shard_range in ranges if SHARD in shard_range.shards)
    with psycopg.connect(url, autocommit=True, options=_PLAN_BY_KEY, cursor_factory=psycopg.ClientCursor) as connection:
        for shard in (SHARD, OTHER):
            posts = "INSERT INTO posts (shard, post_id, post) VALUES (%s, 1, 'viral'), (%s, 2, 'b'), (%s, 3, 'c')"
            connection.execute(posts, [shard] * 3)
        connection.execute("UPDATE shards SET next_id = 100000")
        _grow(connection, 1, 1)
        connection.execute("ANALYZE")
        yield connection
        connection.execute("TRUNCATE posts, post_likes, actors")
        connection.execute("ANALYZE")


def _grow(connection, first, last):
    """Add a few thousand likes and posts, without new statistics for the planner."""
    for shard in (SHARD, OTHER):
        likes = "INSERT INTO post_likes (shard, post_id, actor, state, version) SELECT %s, 1, "
        key = "actor_key('actor-' || n), 'l', n * 2000000::bigint FROM generate_series(%s, %s) AS n"
        connection.execute(likes + key, [shard, first, last])
        connection.execute("UPDATE posts SET n = %s WHERE shard = %s AND post_id = 1", [last, shard])
        posts = "INSERT INTO posts (shard, post_id, post) SELECT %s, n + 3, 'p-' || n "
        connection.execute(posts + "FROM generate_series(%s, %s) AS n", [shard, first, last])


def _prepare(connection, statement, parameters):
    """Prepare a statement, so that its plan is made now, and return the call of it."""
    place = {name: f"${at}" for at, name in zip(count(1), parameters, strict=False)}
    text = re.sub(r"%\((\w+)\)[sb]", lambda found: place[found[1]], statement.as_string(connection))
    connection.execute("PREPARE kept AS " + text)
    call = f"EXECUTE kept ({', '.join(['%s'] * len(parameters))})"
    with connection.transaction(force_rollback=True):
        connection.execute(call, list(parameters.values()))
    return call


def _rows_read(connection, statement, parameters):
    """Return the most rows that a step of the plan reads, and the plan. It was made while the tables were small."""
    call = _prepare(connection, statement, parameters)
    _grow(connection, 2, MANY)
    with connection.transaction(force_rollback=True):
        explained = connection.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {call}", list(parameters.values()))
        plan = "\n".join(line for (line,) in explained.fetchall())
    return max(
        float(rows) for rows in re.findall(r"(?:actual rows=|Rows Removed by [A-Za-z ]+: )([0-9.]+)", plan)
    ), plan


@pytest.mark.parametrize(("name", "shard", "parameters"), STATEMENTS)
def test_a_statement_reads_only_the_rows_it_needs(connection, name, shard, parameters):
    rows, plan = _rows_read(connection, query(name, shard), parameters)
    assert rows <= AT_ONCE, plan


@pytest.mark.parametrize(("text", "parameters"), [(NEWEST, {"shard": SHARD}), (OF_ACTOR, {"actor": KNOWN[0]})])
def test_an_index_serves_the_newest_likes_of_a_post_and_the_likes_of_an_actor(connection, text, parameters):
    rows, plan = _rows_read(connection, sql.SQL(text), parameters)
    assert 0 < rows <= AT_ONCE, plan
