"""Test the load test against a real service."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores, open_stores
from service.devstack.processes import HOST, free_ports, terminate, wait_until
from service.errors import ConfigurationError
from service.loadtest import Options, run
from service.loadtest.checks.observed_state import StoreReader, open_sources
from service.loadtest.generator.plan import parse_url
from service.loadtest.generator.target import resolve
from service.settings import Settings
from tests.support.stack.loadtest_target import CONSOLE, exact_count
from tests.support.stack.servers import Servers, emptied


@dataclass(frozen=True)
class Service:
    """A whole service: the data servers, their open stores, and the URL of the API."""

    servers: Servers
    stores: Stores
    url: str


@pytest.fixture(scope="module")
def service(_servers: Servers) -> Iterator[Service]:
    """Run API and flusher. Each load test has posts of its own, so the tests share one service."""
    servers = emptied(_servers)
    with open_stores(servers.settings) as stores, flushing(stores), serving(servers.settings) as url:
        yield Service(servers, stores, url)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    port = free_ports(1)[0]
    environment = os.environ | {
        "LIKEWISE_REDIS_URLS": ",".join(settings.redis_urls),
        "LIKEWISE_SHARD_MAP": settings.shard_map,
        "LIKEWISE_SHARDS": str(settings.shards),
        "LIKEWISE_SECRET": settings.secret.get_secret_value(),
        "LIKEWISE_METRICS_PORT": "0",
        "LIKEWISE_UNLIMITED_NETWORKS": f"{HOST}/32",
    }
    argv = [sys.executable, "-m", "gunicorn", "-c", "service/server/gunicorn_conf.py", "-b", f"{HOST}:{port}"]
    with subprocess.Popen([*argv, "service.server.wsgi:app"], env=environment, start_new_session=True) as process:
        try:
            wait_until(lambda: is_ready(port), timeout_s=20, what="gunicorn")
            yield f"http://{HOST}:{port}"
        finally:
            terminate([process], timeout_s=10)


def is_ready(port: int) -> bool:
    try:
        with closing(HTTPConnection(HOST, port, timeout=5)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
    except OSError:
        return False


@contextmanager
def flushing(stores: Stores) -> Iterator[None]:
    flusher = create_flusher(stores)
    thread = threading.Thread(target=flusher.run)
    thread.start()
    try:
        yield
    finally:
        flusher.stop()
        thread.join()


def test_every_like_is_acknowledged_counted_shown_and_stored(service: Service, tmp_path: Path) -> None:
    files = tmp_path / "drill.json", tmp_path / "drill.html"
    options = Options(2000, 2, 7, service.url, *files, profile="viral", repeats=0.05)
    results = run(options, service.servers.settings, CONSOLE)
    assert exact_count(results) == 2000
    assert results.verdict.pending == 0
    assert results.answers == {"likes": {"201": 2000}, "repeats": {"200": 100}}
    assert [note.partition(":")[0] for note in results.notes] == ["only the CPU time of the load test was measured"]
    # Redis and Postgres answer from anywhere. What a process writes is known on its machine only.
    quantities = {line.name: line.quantity for line in results.costs.lines}
    assert min(quantities[name] for name in ("client_in_bytes", "redis_in_bytes", "postgres_wal_bytes")) > 0
    assert [reason.partition(":")[0] for reason in results.costs.missing[:3]] == [
        "requests from NGINX to the API, and what Redis writes to disk",
        "logs",
        "metrics",
    ]
    most_likes = results.verdict.posts[0].acknowledged
    assert results.answer
    assert results.seen
    assert results.durable
    assert results.answer.of == 2000
    assert [(times.of, times.never) for times in (results.seen, results.durable)] == [(most_likes, 0)] * 2
    written = json.loads(files[0].read_text())
    assert (written["ok"], written["verdict"]["sums"]["rows"]) == (True, 2000)
    assert "All counts agree: 2,000" in files[1].read_text()


def test_unlikes_and_repeats_leave_an_exact_count(service: Service) -> None:
    options = Options(1000, 1, 3, service.url, profile="ramp", zipf=0, unlikes=0.1, repeats=0.1)
    results = run(options, service.servers.settings, CONSOLE)
    assert exact_count(results) == 900
    assert results.answers == {"likes": {"201": 1000}, "unlikes": {"200": 100}, "repeats": {"200": 100}}
    assert results.followed
    assert results.followed.of == 200
    assert (results.seen, results.durable) == (None, None)
    assert "with --unlikes a count also falls" in results.notes[0]


@pytest.mark.parametrize("with_counts", [True, False])
def test_deleted_rows_are_detected(service: Service, with_counts: bool) -> None:
    reader = StoreReader(service.stores)
    deleted: list[int] = []

    def rows(posts: Sequence[str]) -> dict[str, int]:
        if reader.rows(posts) and not deleted:
            deleted.append(delete_three_likes(service.servers, posts[0], with_counts=with_counts))
        return reader.rows(posts)

    where = parse_url(service.url)
    settings = service.servers.settings
    with open_sources(settings, where, resolve(where)) as sources:
        results = run(Options(300, 0.3, url=service.url), settings, CONSOLE, replace(sources, rows=rows))
    assert deleted == [3]
    post = results.verdict.posts[0].post
    assert results.verdict.reasons == [
        f"{post}: 300 likes acknowledged, 300 counted by Redis, 297 rows in Postgres, 300 shown"
    ]


def delete_three_likes(servers: Servers, post: str, *, with_counts: bool) -> int:
    """Delete three likes of the post from Postgres, and return how many were deleted."""
    deleted = 0
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            deleted += connection.execute(
                "DELETE FROM post_likes WHERE (shard, post_id, actor) IN (SELECT shard, post_id, actor FROM post_likes "
                "JOIN posts USING (shard, post_id) WHERE post = %s LIMIT 3)",
                [post],
            ).rowcount
            if with_counts:
                connection.execute("UPDATE posts SET n = n - 3 WHERE post = %s", [post])
    return deleted


def test_a_wrong_secret_is_detected_before_the_load(service: Service) -> None:
    settings = service.servers.with_settings(secret=SecretStr("another secret of more than 32 characters"))
    with pytest.raises(ConfigurationError, match="LIKEWISE_SECRET"):
        run(Options(likes=10, seconds=1, url=service.url), settings, CONSOLE)
