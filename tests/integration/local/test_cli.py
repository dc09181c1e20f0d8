"""Test the command line as scripts use it: exit codes, and sentences that say what is wrong and where."""

import json
import os
import subprocess
import sys

import psycopg

from service.bootstrap.stores import Stores, create_likes
from tests.support.stack.concurrent_load import drain
from tests.support.stack.servers import SHARDS, Servers


def likewise(servers: Servers, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "LIKEWISE_REDIS_URLS": ",".join(servers.settings.redis_urls),
        "LIKEWISE_SHARD_MAP": servers.settings.shard_map,
        "LIKEWISE_SHARDS": str(SHARDS),
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *args], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_second_migrate_changes_nothing(servers: Servers) -> None:
    result = likewise(servers, "migrate")
    assert (result.returncode, result.stdout) == (0, "Every database is up to date.\n")


def test_verify_finds_a_count_that_was_changed(servers: Servers, stores: Stores) -> None:
    create_likes(stores).like("post", "anna")
    drain(stores)
    good = likewise(servers, "verify", "--json")
    assert (good.returncode, json.loads(good.stdout)["likes"]) == (0, 1)
    for server in servers.postgres:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("UPDATE posts SET n = n + 1")
    bad = likewise(servers, "verify")
    assert bad.returncode == 1
    assert "post: Postgres counts 2 likes and holds 1 rows" in bad.stdout
    assert "post: Redis shows 1 likes, Postgres has 2" in bad.stdout


def test_the_error_names_an_invalid_setting(servers: Servers) -> None:
    result = likewise(servers, "verify", LIKEWISE_SHARDS="17", LIKEWISE_FLUSH_BATCH="many")
    assert result.returncode == 1
    assert "LIKEWISE_FLUSH_BATCH: Input should be a valid integer" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_error_names_servers_that_do_not_answer(servers: Servers) -> None:
    result = likewise(servers, "migrate", LIKEWISE_SHARD_MAP=f"0-{SHARDS - 1}=postgresql://127.0.0.1:1/nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Postgres 127.0.0.1:1/nowhere:")
    result = likewise(servers, "verify", LIKEWISE_REDIS_URLS="redis://127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Redis 127.0.0.1:1:")


def test_an_error_is_logged_as_one_line_of_json_without_locals():
    program = (
        "import structlog; from service.observability.logging import configure_logs; configure_logs()\n"
        "password = 'top' + 'secret'\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError as error: structlog.get_logger().error('it broke', exc_info=error)"
    )
    line = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert json.loads(line)["event"] == "it broke"
    assert "ZeroDivisionError" in json.loads(line)["exception"]
    assert "topsecret" not in line
