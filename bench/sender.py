"""Sends requests over a fixed number of connections: each sends its next when it has the answer to the one before."""

import selectors
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.errors import BenchError
from service.devstack.processes import HOST
from service.loadtest.generator.http import answer_in

CONNECTIONS = 64
_SILENCE_S = 30.0


def send(port: int, requests: Sequence[bytes], *, status: int) -> None:
    """Send them all. BenchError where an answer has another status, or does not come."""
    statuses: Counter[int] = Counter()
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(min(CONNECTIONS, len(requests))):
                _connect(selector, port, next(waiting))
            while (done := statuses.total()) < len(requests):
                ready = selector.select(_SILENCE_S)
                if not ready:
                    raise BenchError(f"Only {done:,} of {len(requests):,} requests were answered on port {port}.")
                for key, _ in ready:
                    _hear(key, statuses, waiting)
        finally:
            for key in list(selector.get_map().values()):
                key.data[0].close()
    if set(statuses) != {status}:
        raise BenchError(f"All answers on port {port} should be {status}, and were {dict(statuses)}.")


def _connect(selector: selectors.BaseSelector, port: int, request: bytes) -> None:
    sock = socket.create_connection((HOST, port), timeout=_SILENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(sock, selectors.EVENT_READ, (sock, bytearray()))
    sock.sendall(request)


def _hear(key: selectors.SelectorKey, statuses: Counter[int], waiting: Iterator[bytes]) -> None:
    sock, heard = key.data
    data = sock.recv(65_536)
    heard += data
    answer = answer_in(bytes(heard))
    if answer is None and data:
        return
    if answer is None or not answer.keep:
        raise BenchError(f"A connection was closed: {bytes(heard[:200])!r}")
    heard.clear()
    statuses[answer.status] += 1
    if request := next(waiting, None):
        sock.sendall(request)
