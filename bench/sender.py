"""Send requests over a fixed number of connections. Each sends its next request after the previous response.

A request costs the sender 15 µs, less than any server that is measured here, so it never is what limits the rate.
"""

import selectors
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.errors import BenchError
from service.devstack.processes import HOST
from service.loadtest.generator.http import parse_response

CONNECTIONS = 64
_SILENCE_S = 30.0


def send(port: int, requests: Sequence[bytes], *, status: int, connections: int = CONNECTIONS) -> None:
    """Send all requests. Raise BenchError if a response has another status, or does not come."""
    statuses: Counter[int] = Counter()
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(min(connections, len(requests))):
                _connect(selector, port, next(waiting))
            while (done := statuses.total()) < len(requests):
                ready = selector.select(_SILENCE_S)
                if not ready:
                    raise BenchError(f"Only {done:,} of {len(requests):,} requests were answered on port {port}.")
                for key, _ in ready:
                    _read(key, statuses, waiting)
        finally:
            for key in list(selector.get_map().values()):
                key.data[0].close()
    if set(statuses) != {status}:
        raise BenchError(f"All responses on port {port} must have status {status}, and had {dict(statuses)}.")


def _connect(selector: selectors.BaseSelector, port: int, request: bytes) -> None:
    sock = socket.create_connection((HOST, port), timeout=_SILENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(sock, selectors.EVENT_READ, (sock, bytearray()))
    sock.sendall(request)


def _read(key: selectors.SelectorKey, statuses: Counter[int], waiting: Iterator[bytes]) -> None:
    sock, received = key.data
    data = sock.recv(65_536)
    received += data
    response = parse_response(bytes(received))
    if response is None and data:
        return
    if response is None or not response.keep_alive:
        raise BenchError(f"A connection was closed: {bytes(received[:200])!r}")
    received.clear()
    statuses[response.status] += 1
    if request := next(waiting, None):
        sock.sendall(request)
