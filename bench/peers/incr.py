"""Count likes with INCR in Redis. Actors are unknown, and nothing is durable."""

import os

from flask import Flask
from redis.cluster import RedisCluster

app = Flask(__name__)
redis = RedisCluster.from_url(os.environ["BENCH_REDIS_URL"])


@app.put("/posts/<post>/like")
def like(post: str) -> dict[str, object]:
    """Count one more like."""
    return {"post": post, "count": redis.incr(f"likes:{post}")}
