"""What a like takes in Redis, pending and settled, and in Postgres with all its indexes."""

import secrets
import time
from base64 import urlsafe_b64encode

import psycopg

from bench.contest import Contest
from service.bootstrap.stores import Stores
from service.core.likes import LikeRequest
from service.sharding import shard_of
from service.storage.postgres.queries import partition
from service.storage.postgres.shard_map import parse_shard_map

_BATCH = 2_000


def new_actors(count: int) -> list[str]:
    """Actors as visitors' tokens name them: 22 characters."""
    return [urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode() for _ in range(count)]


def like_all(stores: Stores, posts: list[str], actors: list[str]) -> None:
    """Each actor's like, of the posts in turn: the counter's own way, many in a batch, without HTTP."""
    counter = stores.counter
    requests = [LikeRequest(posts[at % len(posts)], actor, liked=True) for at, actor in enumerate(actors)]
    for first in range(0, len(requests), _BATCH):
        # As many requests at once would be: its public door takes one wish, and a thread for each is no faster.
        counter._complete([counter._command(request) for request in requests[first : first + _BATCH]])


def measure(contest: Contest, post: str, likers: int) -> dict[str, float]:
    """Bytes a like of one post with so many likers: pending, then settled, then in Postgres."""
    stores, shard = contest.stores, shard_of(post, contest.stores.settings.shards)
    contest.drained()
    contest.lab.stop_flusher()
    like_all(stores, [post], new_actors(1))  # the shard's own keys are there before the first look
    redis_before, rows_before = _redis_bytes(stores, shard), _row_bytes(stores, shard)
    like_all(stores, [post], new_actors(likers))
    pending = _redis_bytes(stores, shard) - redis_before
    contest.lab.start_flusher()
    contest.drained()
    acknowledged = _redis_bytes(stores, shard) - redis_before
    rows = _row_bytes(stores, shard) - rows_before
    contest.likes += likers + 1
    contest.check_count(post, likers + 1)
    return {
        "redis_pending_bytes_per_like": (pending - acknowledged) / likers,
        "redis_settled_bytes_per_like": acknowledged / likers,
        "postgres_bytes_per_like": rows / likers,
    }


def _redis_bytes(stores: Stores, shard: int) -> int:
    """What the shard's node uses, once it does not rewrite its file and its clients' buffers have shrunk again."""
    node = stores.shard_client.node(shard)
    while True:
        time.sleep(2)
        told = node.call([("INFO", "everything")])[0].decode()
        info = dict(line.split(":", 1) for line in told.split("\r\n") if ":" in line)
        if info["aof_rewrite_in_progress"] == "0" and info["aof_rewrite_scheduled"] == "0":
            return int(info["used_memory"])


def _row_bytes(stores: Stores, shard: int) -> int:
    """The shard's likes and its database's posts on disk."""
    settings = stores.settings
    [url] = [one.url for one in parse_shard_map(settings.shard_map, settings.shards) if shard in one.shards]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT pg_total_relation_size(%s::regclass) + pg_total_relation_size('posts')", [partition(shard)]
        ).fetchone()
    return int(row[0]) if row else 0
