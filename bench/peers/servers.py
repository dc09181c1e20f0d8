"""Start the servers of the peers. They have a cluster and a database of their own, which our flusher does not use."""

from collections.abc import Callable, Collection
from pathlib import Path

import psycopg

from bench.errors import MissingProgramError
from bench.peers import build
from bench.testbed import Testbed

_SCHEMA = Path(__file__).parent / "textbook.sql"
_EMPTY = "bench.peers.empty_flask:app"


def start_peers(testbed: Testbed, names: Collection[str]) -> dict[str, str]:
    """Start the servers of these names. Return those that cannot be started, with the program that is missing."""
    missing = {}
    for name, start in _SERVERS.items():
        if name not in names:
            continue
        try:
            start(testbed)
        except MissingProgramError as error:
            missing[name] = str(error)
    return missing


def _redis(testbed: Testbed) -> None:
    testbed.incr_url = testbed.cluster("incr-redis").urls[0]
    testbed.env["BENCH_REDIS_URL"] = testbed.incr_url


def _postgres(testbed: Testbed) -> None:
    testbed.textbook_url = testbed.database("textbook-postgres").url
    with psycopg.connect(testbed.textbook_url) as connection:
        connection.execute(_SCHEMA.read_bytes())
    testbed.env["BENCH_POSTGRES_URL"] = testbed.textbook_url


def _built(name: str, command: Callable[[int], list[str]]) -> Callable[[Testbed], None]:
    return lambda testbed: testbed.serve(name, command)


def _gunicorn(name: str, app: str, *options: str) -> Callable[[Testbed], None]:
    return lambda testbed: testbed.pod(name, app, *options)


# In this order: those at the top are used by others.
_SERVERS: dict[str, Callable[[Testbed], None]] = {
    "incr-redis": _redis,
    "textbook-postgres": _postgres,
    "empty": _gunicorn("empty", _EMPTY),
    "empty-stock": _gunicorn("empty-stock", _EMPTY, "--worker-class", "gevent"),
    "nginx-empty": lambda testbed: testbed.nginx("nginx-empty", "empty"),
    "incr": _gunicorn("incr", "bench.peers.incr:app"),
    "textbook": _gunicorn("textbook", "bench.peers.textbook:app"),
    "go_incr": _built("go_incr", build.go_incr),
    "node_incr": _built("node_incr", lambda port: build.node_incr(port, "--autopipelining")),
    "node_incr_unpipelined": _built("node_incr_unpipelined", build.node_incr),
    "granian_incr": _built("granian_incr", build.granian_incr),
}
