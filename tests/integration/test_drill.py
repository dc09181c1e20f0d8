"""The drill against a real server, and against targets that refuse, drop, answer late or not at all."""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from service.app import Stores, create_flusher
from service.drill import DrillUsageError, Options, Verdict, run
from service.drill.books import Books
from service.drill.target import RefusedError
from service.errors import ConfigurationError
from service.local.processes import HOST, free_ports, terminate, wait_until
from service.settings import Settings
from tests.conftest import Servers

CONSOLE = Console(force_terminal=False, quiet=True)
SETTINGS = Settings(secret=SecretStr("a test's secret of more than 32 characters"))


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """gunicorn on a free port; its address."""
    port = free_ports(1)[0]
    environment = os.environ | {
        "LIKEWISE_REDIS_URLS": ",".join(settings.redis_urls),
        "LIKEWISE_SHARD_MAP": settings.shard_map,
        "LIKEWISE_SHARDS": str(settings.shards),
        "LIKEWISE_SECRET": settings.secret.get_secret_value(),
        "LIKEWISE_METRICS_PORT": "0",
    }
    argv = [sys.executable, "-m", "gunicorn", "-c", "service/gunicorn_conf.py", "-b", f"{HOST}:{port}"]
    with subprocess.Popen([*argv, "service.wsgi:app"], env=environment, start_new_session=True) as process:
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


@pytest.fixture
def url(servers: Servers, stores: Stores) -> Iterator[str]:
    """A whole service: API and flusher."""
    with flushing(stores), serving(servers.settings) as address:
        yield address


def test_every_like_is_acknowledged_shown_and_stored(servers: Servers, url: str, tmp_path: Path) -> None:
    file = tmp_path / "drill.json"
    options = Options(likes=2000, seconds=2, posts=7, url=url, json_file=file)
    verdict = run(options, servers.settings, CONSOLE)
    assert verdict.reasons == []
    assert (verdict.acknowledged, verdict.shown, verdict.rows, verdict.pending) == (2000, 2000, 2000, 0)
    assert verdict.answers == {"201": 2000}
    assert verdict.p50_ms is not None
    written = json.loads(file.read_text())
    assert (written["ok"], written["rows"], written["p50_ms"]) == (True, 2000, verdict.p50_ms)


@pytest.mark.parametrize("with_counts", [True, False])
def test_rows_that_are_gone_are_noticed(servers: Servers, stores: Stores, url: str, with_counts: bool) -> None:
    books = Books(stores)
    done: list[int] = []

    def rows(posts: Sequence[str]) -> dict[str, int]:
        if books.rows(posts) and not done:
            done.append(remove(servers, posts[0], with_counts=with_counts))
        return books.rows(posts)

    verdict = run(Options(likes=300, seconds=0.3, url=url), servers.settings, CONSOLE, rows=rows)
    assert done == [3]
    assert not verdict.ok
    assert verdict.rows == 297
    assert verdict.reasons == [f"{verdict.posts[0]}: 300 likes acknowledged, 300 shown, 297 rows in Postgres"]


def remove(servers: Servers, post: str, *, with_counts: bool) -> int:
    """Take three likes of the post out of Postgres."""
    gone = 0
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            gone += connection.execute(
                "DELETE FROM likes WHERE (shard, post_id, actor) IN (SELECT shard, post_id, actor FROM likes "
                "JOIN posts USING (shard, post_id) WHERE post = %s LIMIT 3)",
                [post],
            ).rowcount
            if with_counts:
                connection.execute("UPDATE posts SET n = n - 3 WHERE post = %s", [post])
    return gone


def test_another_secret_is_noticed_before_the_load(servers: Servers, url: str) -> None:
    settings = servers.with_settings(secret=SecretStr("another secret of more than 32 characters"))
    with pytest.raises(ConfigurationError, match="LIKEWISE_SECRET"):
        run(Options(likes=10, seconds=1, url=url), settings, CONSOLE)


def test_an_address_that_does_not_answer() -> None:
    with pytest.raises(DrillUsageError, match="does not answer: Connection refused"):
        run(Options(likes=10, seconds=1, url=f"http://{HOST}:{free_ports(1)[0]}"), SETTINGS, CONSOLE)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DrillUsageError, match="can't be written"):
        run(Options(likes=10, seconds=1, json_file=tmp_path / "no" / "file"), SETTINGS, CONSOLE)


@dataclass
class Target:
    """A server that answers the n-th like as it is told to: a status, 0 to drop the connection, -1 to say nothing."""

    url: str
    seen: Counter[bytes]

    def drill(self, likes: int, seconds: float = 0.1, **more: float) -> Verdict:
        options = Options(likes, seconds, url=self.url, **more)  # type: ignore[arg-type]
        return run(options, SETTINGS, CONSOLE, counts=self.held, rows=self.held, pending=lambda posts: 0)

    def held(self, posts: Sequence[str]) -> dict[str, int]:
        return {posts[0]: self.seen.total()}


@contextmanager
def target(answer: Callable[[int], int], delay_s: float = 0) -> Iterator[Target]:
    lock, stopped, asked = threading.Lock(), threading.Event(), Counter[str]()
    held = Counter[bytes]()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                fields = [line, *iter(self.rfile.readline, b"\r\n")]
                probe = b"-1/like" in line
                with lock:
                    asked["likes"] += not probe
                    number = asked["likes"]
                status = 201 if probe else answer(number)
                stopped.wait(delay_s)
                if status == -1:
                    stopped.wait()
                if status <= 0:
                    return
                with lock:
                    held[fields[-1]] |= status == 201 and not probe
                self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: 15\r\n\r\n" % status + b'{"detail":"No"}')

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 128

    with Server((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield Target(f"http://{HOST}:{server.server_address[1]}", held)
        finally:
            stopped.set()
            server.shutdown()
            thread.join()


def test_refusals_are_reported() -> None:
    with target(lambda number: 503 if number % 4 == 0 else 201) as fake:
        verdict = fake.drill(40)
    assert verdict.answers == {"201": 30, "503": 10}
    assert verdict.acknowledged == verdict.rows == 30
    assert "10 likes were answered 503 Service Unavailable, the first: No" in verdict.reasons


def test_a_target_that_refuses_from_the_start_gets_no_load() -> None:
    with refusing() as url, pytest.raises(RefusedError, match="it answered 503"):
        run(Options(likes=10, seconds=1, url=url), SETTINGS, CONSOLE)


@contextmanager
def refusing() -> Iterator[str]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if self.rfile.readline():
                self.wfile.write(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.TCPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_dropped_like_is_sent_again_once() -> None:
    with target(lambda number: 0 if number == 5 else 201) as fake:
        verdict = fake.drill(40)
    assert verdict.reasons == []
    assert (verdict.errors["connections_dropped"], verdict.errors["retried"]) == (1, 1)


def test_a_like_dropped_twice_is_lost() -> None:
    with target(lambda number: 0) as fake:
        verdict = fake.drill(10)
    assert (verdict.errors["lost"], verdict.errors["retried"], verdict.acknowledged) == (10, 10, 0)
    assert "10 likes lost their connection twice" in verdict.reasons


def test_a_slow_target_is_timed_from_when_likes_were_due() -> None:
    with target(lambda number: 201, delay_s=0.05) as fake:
        verdict = fake.drill(20, connections=2, most_connections=2)
    assert verdict.ok
    assert verdict.connections == 2
    assert verdict.p99_ms is not None
    assert verdict.p99_ms > 350  # ten in turn on each connection, all due in the first 100 ms


def test_more_connections_are_opened_while_all_are_busy() -> None:
    with target(lambda number: 201, delay_s=0.05) as fake:
        verdict = fake.drill(20, connections=1, most_connections=10)
    assert verdict.ok
    assert 2 <= verdict.connections <= 10


def test_silence_is_waited_for_so_long_and_no_longer() -> None:
    with target(lambda number: -1 if number > 5 else 201) as fake:
        verdict = fake.drill(10, drain_s=0.2)
    assert verdict.errors["unanswered"] == 5
    assert "5 likes had no answer 0.2 s after the last was due" in verdict.reasons


def test_ctrl_c_says_what_there_was_and_still_compares() -> None:
    def answer(number: int) -> int:
        if number == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return 201

    with target(answer) as fake:
        verdict = fake.drill(10_000, seconds=100)
    assert 10 <= verdict.sent < 10_000
    assert verdict.acknowledged == verdict.rows == verdict.sent
    assert verdict.reasons == [f"interrupted after {verdict.sent:,} of 10,000 likes"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
