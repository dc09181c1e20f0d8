"""Count likes with INCR in Redis, as an ASGI application. Actors are unknown, and nothing is durable."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.cluster import RedisCluster

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

redis = RedisCluster.from_url(os.environ["BENCH_REDIS_URL"])


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Count one more like of `/posts/<post>/like`."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    match scope["method"], scope["path"].split("/"):
        case "PUT", ["", "posts", post, "like"]:
            status, body = 200, json.dumps({"post": post, "count": await redis.incr(f"likes:{post}")}).encode()
        case _:
            status, body = 404, b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    # Without this, the first requests connect at the same time, and some of them fail.
    await redis.initialize()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await redis.aclose()
    await send({"type": "lifespan.shutdown.complete"})
