"""The drill against a real server, and against targets that refuse, drop, answer late or not at all."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from service.bootstrap.flusher import create_flusher
from service.bootstrap.stores import Stores
from service.devstack.processes import HOST, free_ports, terminate, wait_until
from service.errors import ConfigurationError
from service.loadtest import DrillUsageError, Options, Results, run
from service.loadtest.checks.observed_state import Books, Sources, open_sources
from service.loadtest.generator.plan import DEFAULT_URL, parse_url
from service.loadtest.generator.plan import Target as Address
from service.loadtest.generator.target import Reader, RefusedError, resolve
from service.loadtest.report.cpu_cost import meter
from service.loadtest.report.local_processes import default_url, is_target, processes
from service.settings import Settings
from tests.support.servers import Servers

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


@pytest.fixture
def url(servers: Servers, stores: Stores) -> Iterator[str]:
    """A whole service: API and flusher."""
    with flushing(stores), serving(servers.settings) as address:
        yield address


def one_number(found: Results) -> int:
    """The number that all agree on."""
    sums = found.verdict.sums
    numbers = {sums.least, sums.most, sums.counted, sums.rows, sums.shown}
    assert (found.verdict.reasons, len(numbers)) == ([], 1)
    return numbers.pop()


def test_every_like_is_acknowledged_counted_shown_and_stored(servers: Servers, url: str, tmp_path: Path) -> None:
    files = tmp_path / "drill.json", tmp_path / "drill.html"
    options = Options(2000, 2, 7, url, *files, profile="viral", repeats=0.05)
    found = run(options, servers.settings, CONSOLE)
    assert one_number(found) == 2000
    assert found.verdict.pending == 0
    assert found.answers == {"likes": {"201": 2000}, "repeats": {"200": 100}}
    assert [note.partition(":")[0] for note in found.notes] == ["CPU is the drill's own alone"]
    hottest = found.verdict.posts[0].acknowledged
    assert found.answer
    assert found.seen
    assert found.durable
    assert found.answer.of == 2000
    assert [(measured.of, measured.never) for measured in (found.seen, found.durable)] == [(hottest, 0)] * 2
    written = json.loads(files[0].read_text())
    assert (written["ok"], written["verdict"]["sums"]["rows"]) == (True, 2000)
    assert "One number: 2,000" in files[1].read_text()


def test_likes_taken_back_and_sent_again_leave_one_number(servers: Servers, url: str) -> None:
    options = Options(1000, 1, 3, url, profile="ramp", zipf=0, unlikes=0.1, repeats=0.1)
    found = run(options, servers.settings, CONSOLE)
    assert one_number(found) == 900
    assert found.answers == {"likes": {"201": 1000}, "unlikes": {"200": 100}, "repeats": {"200": 100}}
    assert found.followed
    assert found.followed.of == 200
    assert (found.seen, found.durable) == (None, None)
    assert "not measured with --unlikes" in found.notes[0]


@pytest.mark.parametrize("with_counts", [True, False])
def test_rows_that_are_gone_are_noticed(servers: Servers, stores: Stores, url: str, with_counts: bool) -> None:
    books = Books(stores)
    done: list[int] = []

    def rows(posts: Sequence[str]) -> dict[str, int]:
        if books.rows(posts) and not done:
            done.append(remove(servers, posts[0], with_counts=with_counts))
        return books.rows(posts)

    where = parse_url(url)
    with open_sources(servers.settings, where, resolve(where)) as sources:
        found = run(Options(300, 0.3, url=url), servers.settings, CONSOLE, replace(sources, rows=rows))
    assert done == [3]
    post = found.verdict.posts[0].post
    assert found.verdict.reasons == [
        f"{post}: 300 likes acknowledged, 300 counted by Redis, 297 rows in Postgres, 300 shown"
    ]


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

    def drill(self, likes: int, seconds: float = 0.1, **more: Any) -> Results:
        def held(posts: Sequence[str]) -> dict[str, int]:
            return {posts[0]: self.seen.total()}

        def count(post: str) -> int:
            return self.seen.total()

        sources = Sources(held, held, held, pending=lambda posts: 0, reader=count, stored=count)
        return run(Options(likes, seconds, url=self.url, **more), SETTINGS, CONSOLE, sources)


def end(connections: set[socket.socket]) -> None:
    """End each at once, whatever is on the way."""
    for one in connections:
        with suppress(OSError):  # ended already
            one.shutdown(socket.SHUT_RDWR)
    connections.clear()


class Server(socketserver.ThreadingTCPServer):
    """It says nothing of answers to connections that were ended meanwhile."""

    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def target(
    answer: Callable[[int], int],
    delay_s: float = 0,
    garbage: bytes = b"",
    unlike: int = 200,
    dies_at: int = -1,
    reloads_at: int = -1,
) -> Iterator[Target]:
    """It holds a token once, unless it answers 299: then it counts twice and says 201. It answers unlikes `unlike`.

    At the like `reloads_at` it ends every connection, whatever was sent over it.
    """
    lock, stopped, asked = threading.Lock(), threading.Event(), Counter[str]()
    held = Counter[bytes]()
    opened = set[socket.socket]()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            opened.add(self.connection)
            while line := self.rfile.readline():
                fields = [line, *iter(self.rfile.readline, b"\r\n")]
                probe, takes_back = b"-1/like" in line, line.startswith(b"DELETE")
                with lock:
                    asked["likes"] += not probe
                    number = asked["likes"]
                    if number == reloads_at and not probe:
                        end(opened)
                        return
                if number == dies_at:
                    server.socket.close()  # from now on connections are refused
                status = 201 if probe else unlike if takes_back else answer(number)
                stopped.wait(delay_s)
                if status == -1:
                    stopped.wait()
                if status <= 0:
                    return
                with lock:
                    again = status == 201 and held[fields[-1]] > 0
                    if takes_back:
                        held[fields[-1]] -= status == 200
                    elif not probe:
                        held[fields[-1]] = 2 if status == 299 else held[fields[-1]] | (status == 201)
                if garbage and not probe:
                    self.wfile.write(garbage)
                    return
                status = 200 if again else 201 if status == 299 else status
                self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: 15\r\n\r\n" % status + b'{"detail":"No"}')

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
        found = fake.drill(40)
    assert found.answers == {"likes": {"201": 30, "503": 10}}
    assert found.verdict.reasons == [
        "10 of 40 likes sent were not acknowledged",
        "10 likes were answered 503 Service Unavailable, the first: No",
        "some outcomes are not known (lost, unanswered or 5xx): 30 to 40 likes may count, and 30 do",
    ]


def test_limits_of_the_target_are_reported_with_their_setting() -> None:
    with target(lambda number: 429 if number > 30 else 201) as fake:
        found = fake.drill(40)
    assert found.verdict.sums.most == 30
    assert "10 likes were answered 429 Too Many Requests, the first: No; a crowd at one" in found.verdict.reasons[1]
    assert "LIKEWISE_UNLIMITED_NETWORKS" in found.verdict.reasons[1]


def test_a_target_that_counts_twice_is_noticed() -> None:
    with target(lambda number: 299 if number == 7 else 201) as fake:
        found = fake.drill(40)
    assert found.verdict.sums.acknowledged == 40
    assert "40 likes acknowledged, 41 counted by Redis, 41 rows in Postgres, 41 shown" in found.verdict.reasons[0]


def test_a_target_that_answers_garbage_is_noticed() -> None:
    with target(lambda number: 201, garbage=b"SSH-2.0-OpenSSH\r\n") as fake:
        found = fake.drill(5)
    assert (found.errors["lost"], found.errors["connections_dropped"], found.verdict.sums.least) == (5, 10, 0)
    assert "some outcomes are not known (lost, unanswered or 5xx): 0 to 5 likes may count, and 5 do" in (
        found.verdict.reasons
    )


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


def test_unlikes_and_repeats_of_a_target_that_keeps_its_word() -> None:
    with target(lambda number: 201) as fake:
        found = fake.drill(40, unlikes=0.25, repeats=0.25)
    assert one_number(found) == 30
    assert found.answers == {"likes": {"201": 40}, "unlikes": {"200": 10}, "repeats": {"200": 10}}


def test_unlikes_that_are_refused_still_count() -> None:
    with target(lambda number: 201, unlike=400) as fake:
        found = fake.drill(40, unlikes=0.25)
    assert (found.verdict.sums.least, found.verdict.sums.rows) == (40, 40)
    assert found.verdict.reasons == ["10 unlikes were answered 400 Bad Request, the first: No"]


def test_unlikes_that_are_lost_make_a_range() -> None:
    with target(lambda number: 201, unlike=0) as fake:
        found = fake.drill(40, unlikes=0.25)
    assert found.errors["lost"] == 10
    assert found.verdict.reasons == [
        "10 unlikes lost their connection twice",
        "some outcomes are not known (lost, unanswered or 5xx): 30 to 40 likes may count, and 40 do",
    ]


def test_a_target_that_goes_away_is_reported() -> None:
    with target(lambda number: 201 if number < 20 else 0, dies_at=20) as fake:
        found = fake.drill(2_000, seconds=0.5, drain_s=0.3)
    assert found.errors["connections_refused"] > 0
    assert found.sent < 2_000
    assert f"{2_000 - found.sent:,} likes were never sent: no connection was free or could be opened" in (
        found.verdict.reasons
    )


def test_a_reader_that_cannot_read_says_why() -> None:
    where = Address("127.0.0.1", free_ports(1)[0])
    with pytest.raises(RefusedError, match="Connection refused"):
        Reader(where, (socket.AF_INET, (where.host, where.port))).count("post")


def test_a_dropped_like_is_sent_again_once() -> None:
    with target(lambda number: 0 if number == 5 else 201) as fake:
        found = fake.drill(40)
    assert one_number(found) == 40
    assert (found.errors["connections_dropped"], found.errors["retried"]) == (1, 1)


def test_a_gateway_that_ends_every_kept_connection_loses_no_like() -> None:
    with target(lambda number: 201, reloads_at=100) as fake:
        found = fake.drill(400, seconds=1)
    assert one_number(found) == 400
    assert found.errors["connections_dropped"] == found.errors["retried"] > 0


def test_a_like_dropped_twice_is_lost() -> None:
    with target(lambda number: 0) as fake:
        found = fake.drill(10)
    assert (found.errors["lost"], found.errors["retried"], found.verdict.sums.acknowledged) == (10, 10, 0)
    assert "10 likes lost their connection twice" in found.verdict.reasons
    assert found.answer is None


def test_a_slow_target_is_timed_from_when_likes_were_due() -> None:
    with target(lambda number: 201, delay_s=0.05) as fake:
        found = fake.drill(20, connections=2, most_connections=2)
    assert one_number(found) == 20
    assert found.connections == 2
    assert found.answer
    assert found.answer.p99_ms
    assert found.answer.p99_ms > 350  # ten in turn on each connection, all due in the first 100 ms


def test_more_connections_are_opened_while_all_are_busy() -> None:
    with target(lambda number: 201, delay_s=0.05) as fake:
        found = fake.drill(20, connections=1, most_connections=10)
    assert one_number(found) == 20
    assert 2 <= found.connections <= 10


def test_silence_is_waited_for_so_long_and_no_longer() -> None:
    with target(lambda number: -1 if number > 5 else 201) as fake:
        found = fake.drill(10, drain_s=0.2)
    assert found.errors["unanswered"] == 5
    assert "5 likes had no answer 0.2 s after the last was due" in found.verdict.reasons


def test_ctrl_c_says_what_there_was_and_still_compares(tmp_path: Path) -> None:
    def answer(number: int) -> int:
        if number == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return 201

    before = signal.getsignal(signal.SIGINT)
    file = tmp_path / "drill.html"
    with target(answer) as fake:
        found = fake.drill(10_000, seconds=100, html_file=file)
    assert 10 <= found.sent < 10_000
    assert found.verdict.sums.acknowledged == found.verdict.sums.rows == found.sent
    assert found.verdict.reasons == [f"interrupted after {found.sent:,} of 10,000 likes"]
    assert f"interrupted after {found.sent:,} of 10,000 likes" in file.read_text()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_cpu_of_the_local_stack_is_measured_where_it_is_the_target(tmp_path: Path) -> None:
    with target(lambda number: 201) as fake:
        (tmp_path / "run").mkdir()
        for part in ("nginx", "valkey-0", "valkey-1"):  # all of it is this process, here
            note = {"pid": os.getpid(), "born": psutil.Process().create_time()}
            (tmp_path / "run" / f"{part}.json").write_text(json.dumps(note))
        (tmp_path / "run" / "api.json").write_text("cut sho")
        settings = SETTINGS.model_copy(update={"state_dir": tmp_path})
        costs = meter(settings, parse_url(fake.url)).read()
        assert (set(costs.cpu_s), costs.missing) == ({"nginx", "valkey", "drill"}, "")
        assert set(meter(settings, parse_url(f"http://{HOST}:1")).read().cpu_s) == {"drill"}
        assert is_target(processes(settings), parse_url(fake.url))
        assert default_url(settings) != DEFAULT_URL


def test_without_a_local_stack_the_usual_address_is_the_target(tmp_path: Path) -> None:
    assert default_url(SETTINGS.model_copy(update={"state_dir": tmp_path})) == DEFAULT_URL
