"""Test the embedded data servers: killed, stopped, and started again."""

import os
import re
import socket
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis

from service.devstack.postgres import PostgresServer
from service.devstack.processes import HOST, StartError
from service.devstack.valkey import ValkeyCluster

KEYS = range(100)


def write_keys(cluster: ValkeyCluster) -> None:
    with closing(redis.RedisCluster.from_url(cluster.urls[0])) as client:
        for key in KEYS:
            client.set(f"key-{key}", key)


def has_all_keys(cluster: ValkeyCluster) -> bool:
    with closing(redis.RedisCluster.from_url(cluster.urls[0])) as client:
        return all(client.get(f"key-{key}") == str(key).encode() for key in KEYS)


def execute(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute(statement)


def rows(server: PostgresServer) -> list[tuple[int]]:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT n FROM t").fetchall()


def test_valkey_keeps_its_data_after_a_kill_a_stop_and_on_other_ports(tmp_path: Path) -> None:
    first = ValkeyCluster(tmp_path / "valkey")
    first.start()
    try:
        write_keys(first)
        first.processes[1].kill()
        first.restart(1)
        first.wait_ok()
        assert has_all_keys(first)
    finally:
        first.stop()
    second = ValkeyCluster(tmp_path / "valkey")
    second.start()
    try:
        assert not set(first.ports) & set(second.ports)
        assert has_all_keys(second)
    finally:
        second.stop()


def test_postgres_keeps_its_rows_after_a_kill_and_a_stop(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    try:
        execute(server, "CREATE TABLE t (n int)")
        execute(server, "INSERT INTO t VALUES (7)")
        server.kill()
        # The pid in the file now belongs to this process, which must be left alone.
        file = server.data / "postmaster.pid"
        file.write_text(re.sub(r"^\d+", str(os.getpid()), file.read_text()))
        server.start()
        assert rows(server) == [(7,)]
        server.restart()
        assert rows(server) == [(7,)]
        with pytest.raises(StartError, match=f"Postgres did not start on port {server.port}"):
            PostgresServer(tmp_path / "other", server.port).start()
        # Nothing was sent to the server that holds the port.
        assert rows(server) == [(7,)]
    finally:
        server.stop()


def test_nothing_is_sent_to_another_server_on_a_valkey_port(tmp_path: Path) -> None:
    cluster = ValkeyCluster(tmp_path / "valkey")
    with socket.create_server((HOST, cluster.ports[0])) as other:
        with pytest.raises(StartError, match=f"Valkey did not start on port {cluster.ports[0]}"):
            cluster.start()
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
