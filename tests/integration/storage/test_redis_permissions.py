"""The ACL user of docs/how-to/production-data.md may do what Likewise does, and nothing that would harm the nodes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, create_likes, open_stores
from service.core.verify import verify
from service.storage.redis.health import HealthProbe
from service.storage.redis.load_report_store import RedisLoadReportStore
from service.storage.redis.ratelimit_store import RedisPeerStore
from tests.support.stack.servers import Servers
from tests.support.waiting import wait_for

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "production-data.md"
PASSWORD = "a-password-of-the-test"


def rules() -> list[str]:
    """Return the words after the user's name."""
    [line] = re.findall(r"^ACL SETUSER likewise (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [word.replace("PASSWORD", PASSWORD) for word in line.split()]


@pytest.fixture
def limited(servers: Servers) -> Iterator[Stores]:
    """Yield stores that use Redis as that user."""
    clients = [redis.Redis.from_url(url) for url in servers.settings.redis_urls]
    for client in clients:
        client.execute_command("ACL SETUSER likewise", *rules())
    try:
        settings = {"redis_username": "likewise", "redis_password": SecretStr(PASSWORD), "ack": "replicated"}
        with open_stores(servers.with_settings(**settings)) as stores:
            yield stores
    finally:
        for client in clients:
            client.execute_command("ACL DELUSER likewise")
            client.close()


def test_the_user_may_like_flush_and_verify(limited: Stores) -> None:
    likes = create_likes(limited)
    assert likes.like("post", "anna").count == 1
    assert likes.unlike("post", "anna").count == 0
    assert likes.like("post", "ben").count == 1
    flusher = create_flusher(limited)
    wait_for(lambda: flusher.flush_once() == 0 and all(status.length == 0 for status in limited.queue.poll("", 0)))
    assert likes.state("post", "ben").liked
    assert not verify(limited.queue, limited.like_store, limited.settings.shards).problems


def test_the_user_may_sync_limits_report_load_and_answer_health_checks(limited: Stores) -> None:
    cluster = limited.shard_client.cluster
    assert RedisPeerStore(cluster).exchange({f"limit-{at}": 1 for at in range(20)}, ttl_s=10).error == ""
    assert HealthProbe(cluster).check() == []
    reports = RedisLoadReportStore(cluster, "signals")
    reports.publish("pod", {"arrivals": 1})
    reports.remove("pod")


@pytest.mark.parametrize("harm", ["FLUSHALL", "SHUTDOWN", "CONFIG GET *", "CLUSTER RESET", "FUNCTION FLUSH", "KEYS *"])
def test_the_user_may_not_harm_the_nodes(limited: Stores, harm: str) -> None:
    [node, *_] = limited.shard_client.cluster.primaries()
    [reply] = node.call([tuple(harm.split())])
    assert isinstance(reply, redis.exceptions.NoPermissionError)
