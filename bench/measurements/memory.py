"""Measure the bytes per like in Redis, pending and stored, and in Postgres with all indexes."""

import time

import psycopg

from bench.measurements.comparison import Comparison
from bench.measurements.direct_likes import like_all, new_actors
from service.bootstrap.stores import Stores
from service.storage.postgres.queries import partition
from service.storage.postgres.shard_map import parse_shard_map


def measure(comparison: Comparison, post: str, likers: int) -> dict[str, float]:
    """Return the bytes per like of one post with `likers` likes."""
    stores, shard = comparison.stores, comparison.shard_of(post)
    comparison.wait_stored()
    comparison.testbed.stop_flusher()
    # The first like creates the shard's own keys.
    like_all(stores, [post], new_actors(1))
    redis_before, rows_before = _redis_bytes(stores, shard), _row_bytes(stores, shard)
    like_all(stores, [post], new_actors(likers))
    pending = _redis_bytes(stores, shard) - redis_before
    comparison.testbed.start_flusher()
    comparison.wait_stored()
    acknowledged = _redis_bytes(stores, shard) - redis_before
    rows = _row_bytes(stores, shard) - rows_before
    comparison.likes += likers + 1
    comparison.check_count(post, likers + 1)
    return {
        "redis_pending_bytes_per_like": (pending - acknowledged) / likers,
        "redis_settled_bytes_per_like": acknowledged / likers,
        "postgres_bytes_per_like": rows / likers,
    }


def _redis_bytes(stores: Stores, shard: int) -> int:
    """Return the memory of the shard's node, once it rewrites no file and its clients' buffers have shrunk."""
    node = stores.shard_client.node(shard)
    while True:
        time.sleep(2)
        reply = node.call([("INFO", "everything")])[0].decode()
        info = dict(line.split(":", 1) for line in reply.split("\r\n") if ":" in line)
        if info["aof_rewrite_in_progress"] == "0" and info["aof_rewrite_scheduled"] == "0":
            return int(info["used_memory"])


def _row_bytes(stores: Stores, shard: int) -> int:
    """Return the bytes on disk of the shard's likes and of its database's posts."""
    settings = stores.settings
    [url] = [one.url for one in parse_shard_map(settings.shard_map, settings.shards) if shard in one.shards]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT pg_total_relation_size(%s::regclass) + pg_total_relation_size('posts')", [partition(shard)]
        ).fetchone()
    return int(row[0]) if row else 0
