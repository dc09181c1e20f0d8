"""A counter without memory: INCR of a key a post. Nobody is known, nothing is stored for good."""

import os

from flask import Flask
from redis.cluster import RedisCluster

app = Flask(__name__)
redis = RedisCluster.from_url(os.environ["BENCH_REDIS_URL"])


@app.put("/posts/<post>/like")
def like(post: str) -> dict[str, object]:
    """One more, whoever asks."""
    return {"post": post, "count": redis.incr(f"likes:{post}")}
