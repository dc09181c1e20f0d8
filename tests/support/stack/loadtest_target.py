"""A small HTTP server that answers the likes of a load test by a script."""

import socket
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from service.devstack.processes import HOST
from service.loadtest import Options, Results, run
from service.loadtest.checks.observed_state import Sources
from service.settings import Settings

CONSOLE = Console(force_terminal=False, quiet=True)
SETTINGS = Settings(secret=SecretStr("a test's secret of more than 32 characters"))
# What a script may return in place of a status.
DROP, SAY_NOTHING, COUNT_TWICE = 0, -1, 299


def exact_count(results: Results) -> int:
    """Return the count on which all sources agree, and fail if they do not."""
    sums = results.verdict.sums
    counts = {sums.least, sums.most, sums.counted, sums.rows, sums.shown}
    assert (results.verdict.reasons, len(counts)) == ([], 1)
    return counts.pop()


@dataclass
class FakeTarget:
    """The address of a running fake, and the tokens that it holds as likes."""

    url: str
    liked: Counter[bytes]

    def run_load_test(self, likes: int, seconds: float = 0.1, **options: Any) -> Results:
        """Run a load test against this target. The sources read its own count."""

        def counts(posts: Sequence[str]) -> dict[str, int]:
            return {posts[0]: self.liked.total()}

        def count(post: str) -> int:
            return self.liked.total()

        sources = Sources(counts, counts, counts, pending=lambda posts: 0, reader=count, stored=count)
        return run(Options(likes, seconds, url=self.url, **options), SETTINGS, CONSOLE, sources)


@dataclass
class _Script:
    """How a fake answers.

    answer: the status for the n-th like, counted from 1. DROP closes the connection, SAY_NOTHING never answers,
    COUNT_TWICE counts the like twice and answers 201.
    garbage: sent in place of a response. unlike: the status for unlikes.
    dies_at: from this like on, connections are refused. reloads_at: at this like, every connection is closed.
    """

    answer: Callable[[int], int]
    delay_s: float = 0
    garbage: bytes = b""
    unlike: int = 200
    dies_at: int = -1
    reloads_at: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)
    likes_seen: int = 0
    liked: Counter[bytes] = field(default_factory=Counter)
    connections: set[socket.socket] = field(default_factory=set)

    def close_all_connections(self) -> None:
        for one in self.connections:
            # A connection may have been closed already.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def record(self, token: bytes, status: int, *, is_probe: bool, is_unlike: bool) -> int:
        """Count a like or an unlike, and return the status to send."""
        with self.lock:
            is_repeat = status == 201 and self.liked[token] > 0
            if is_unlike:
                self.liked[token] -= status == 200
            elif not is_probe:
                self.liked[token] = 2 if status == COUNT_TWICE else self.liked[token] | (status == 201)
        return 200 if is_repeat else 201 if status == COUNT_TWICE else status


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128

    def __init__(self, script: _Script) -> None:
        self.script = script
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of connections that were closed meanwhile."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.script.connections.add(self.connection)
        while line := self.rfile.readline():
            fields = [line, *iter(self.rfile.readline, b"\r\n")]
            if not self._answer(line, fields[-1]):
                return

    def _answer(self, line: bytes, token: bytes) -> bool:
        """Answer one request, and return whether the connection stays open."""
        script = self.server.script
        is_probe, is_unlike = b"-1/like" in line, line.startswith(b"DELETE")
        with script.lock:
            script.likes_seen += not is_probe
            number = script.likes_seen
            if number == script.reloads_at and not is_probe:
                script.close_all_connections()
                return False
        if number == script.dies_at:
            self.server.socket.close()
        status = 201 if is_probe else script.unlike if is_unlike else script.answer(number)
        script.stopped.wait(script.delay_s)
        if status == SAY_NOTHING:
            script.stopped.wait()
        if status <= 0:
            return False
        status = script.record(token, status, is_probe=is_probe, is_unlike=is_unlike)
        if script.garbage and not is_probe:
            self.wfile.write(script.garbage)
            return False
        self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: 15\r\n\r\n" % status + b'{"detail":"No"}')
        return True


@contextmanager
def fake_target(answer: Callable[[int], int], **script: Any) -> Iterator[FakeTarget]:
    """Run a server that holds each token once, and answers as the script says. The first post's probe succeeds."""
    behaviour = _Script(answer, **script)
    with _Server(behaviour) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield FakeTarget(f"http://{HOST}:{server.server_address[1]}", behaviour.liked)
        finally:
            behaviour.stopped.set()
            server.shutdown()
            thread.join()


@contextmanager
def refusing_target() -> Iterator[str]:
    """Run a server that answers 503 to everything, and yield its URL."""

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
