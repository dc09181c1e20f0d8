"""A proxy may reach the API by a Unix socket. Its X-Forwarded-For counts if LIKEWISE_TRUSTED_PROXIES has `unix:`."""

import socket
from collections.abc import Sequence

import gevent.socket
import pytest

from tests.support.app_factory import fake_api
from tests.support.loop_client import loop_worker

ON_LOOP = b"Content-Length: 0\r\n"
# The loop leaves a request with this header to gunicorn and Flask.
BY_FLASK = b"Content-Length: 0\r\nTE: trailers\r\n"
TWO_CLIENTS = ("198.51.100.1", "198.51.100.2")


def statuses_of_likes(trusted: Sequence[str], fields: bytes) -> list[int]:
    """Return the statuses of a like from each of two clients. A network may like once a minute."""
    api = fake_api(network_limit="1/minute", trusted_proxies=list(trusted))
    statuses = []
    with loop_worker(api.app) as worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        worker.connect(theirs, "", "/run/likewise/api.sock")
        with gevent.socket.socket(ours.family, ours.type, fileno=ours.detach()) as line:
            line.settimeout(20)
            for client in TWO_CLIENTS:
                forwarded = f"X-Forwarded-For: {client}\r\n".encode()
                line.sendall(b"PUT /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n" + forwarded + fields + b"\r\n")
                received = line.recv(65_536)
                while not received.endswith(b"}"):
                    received += line.recv(65_536)
                statuses.append(int(received.split()[1]))
    return statuses


@pytest.mark.parametrize("fields", [ON_LOOP, BY_FLASK], ids=["loop", "Flask"])
@pytest.mark.parametrize(("trusted", "statuses"), [(["unix:"], [201, 201]), (["127.0.0.1/32"], [201, 429])])
def test_a_proxy_on_a_unix_socket_is_trusted_if_it_is_listed(
    trusted: list[str], statuses: list[int], fields: bytes
) -> None:
    assert statuses_of_likes(trusted, fields) == statuses
