"""Query plans. Posts and likes are found by whole keys, even by plans made while the tables were small."""

import re
from itertools import count

import psycopg
import pytest

from service.storage.postgres.pool import _PLAN_BY_KEY
from service.storage.postgres.queries import query
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.stack.servers import SHARDS

SHARD, OTHER = 3, 4
MANY = 3_000
AT_ONCE = 200
ACTORS = [f"new-{at}" for at in range(AT_ONCE)]
OF_ONE = {"shards": [SHARD] * 2, "posts": ["viral", "b"]}
OF_TWO = {"shards": [SHARD, SHARD, OTHER], "posts": ["viral", "b", "viral"]}
LIKE_REQUESTS = {"actors": ACTORS, "liked": [True] * AT_ONCE, "versions": list(range(10_000, 10_000 + AT_ONCE))}
LOAD = {"shards": [SHARD] * AT_ONCE, "posts": ["viral"] * AT_ONCE, "actors": ACTORS}
STATEMENTS = [
    ("add_posts", None, {"shards": [SHARD] * 3, "posts": ["viral", "new", "b"]}),
    ("store_likes", SHARD, {**OF_ONE, **LIKE_REQUESTS, "places": [at % 2 + 1 for at in range(AT_ONCE)]}),
    ("store_likes", None, {**OF_TWO, **LIKE_REQUESTS, "places": [at % 3 + 1 for at in range(AT_ONCE)]}),
    ("load", None, LOAD),
]


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
        connection.execute("TRUNCATE posts, likes")
        connection.execute("ANALYZE")


def _grow(connection, first, last):
    """Add a few thousand likes and posts, without new statistics for the planner."""
    for shard in (SHARD, OTHER):
        likes = "INSERT INTO likes (shard, post_id, actor, liked, version) SELECT %s, 1, 'actor-' || n, true, n "
        connection.execute(likes + "FROM generate_series(%s, %s) AS n", [shard, first, last])
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


@pytest.mark.parametrize(("name", "shard", "parameters"), STATEMENTS)
def test_a_statement_reads_only_the_rows_it_needs(connection, name, shard, parameters):
    call = _prepare(connection, query(name, shard), parameters)
    _grow(connection, 2, MANY)
    with connection.transaction(force_rollback=True):
        explained = connection.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {call}", list(parameters.values()))
        plan = "\n".join(line for (line,) in explained.fetchall())
    read = [float(rows) for rows in re.findall(r"(?:actual rows=|Rows Removed by [A-Za-z ]+: )([0-9.]+)", plan)]
    assert read
    assert max(read) <= AT_ONCE, plan
