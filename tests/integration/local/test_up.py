"""Test `likewise up`: two stacks at once, stopped, killed, started again, and with children that die."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from rich.console import Console

from service.cost.capacity import SOCKETS_OF_FLUSHER, SOCKETS_OF_WORKER
from service.devstack.processes import HOST, free_ports, wait_until
from service.devstack.up import UpOptions, up
from service.loadtest.report.costs import MILLION
from service.settings import Settings
from tests.support.docs.code_blocks import ROOT
from tests.support.stack.local_stack import RunningStack

PRICES = ROOT / "examples/prices-aws-us-east-1.toml"
# The fixture starts four stacks, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Stacks:
    """Two running stacks. `plain` was stopped and started again, `replicated` was killed and started again.

    `first_output` is what both printed at their first start.
    """

    plain: RunningStack
    replicated: RunningStack
    counts: dict[str, int]
    first_output: str


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Start two stacks at the same moment, twice: first both want the same ports, then any free ones (`--port 0`)."""
    directory = tmp_path_factory.mktemp("up")
    wanted_port, metrics_port = free_ports(2)

    def start(port: int) -> tuple[RunningStack, RunningStack]:
        options = ("--workers", "1")
        plain = RunningStack(directory / "plain", port, metrics_port=metrics_port, options=options)
        options = ("--workers", "1", "--replicas")
        replicated = RunningStack(directory / "replicated", port, metrics_port=metrics_port, options=options)
        with ExitStack() as on_failure:
            for stack in (plain, replicated):
                on_failure.callback(end, stack)
            for stack in (plain, replicated):
                stack.wait_up()
            on_failure.pop_all()
        return plain, replicated

    plain, replicated = start(wanted_port)
    first_output = plain.output + replicated.output
    assert not set(plain.ports) & set(replicated.ports)
    plain.request("PUT", "/v1/posts/kept-by-plain/like")
    replicated.request("PUT", "/v1/posts/kept-by-replicated/like")
    assert replicated.end(signal.SIGKILL) == -signal.SIGKILL
    assert plain.end(signal.SIGINT) == 0
    plain, replicated = start(0)
    counts = {
        f"{post} in {name}": stack.count(post)
        for name, stack in (("plain", plain), ("replicated", replicated))
        for post in ("kept-by-plain", "kept-by-replicated")
    }
    try:
        yield Stacks(plain, replicated, counts, first_output)
    finally:
        end(plain)
        end(replicated)


def end(stack: RunningStack) -> None:
    if stack.process.poll() is None:
        stack.end(signal.SIGTERM)


def test_likes_survive_a_stop_and_a_kill_and_stay_in_their_stack(stacks: Stacks) -> None:
    assert stacks.counts == {
        "kept-by-plain in plain": 1,
        "kept-by-replicated in plain": 0,
        "kept-by-plain in replicated": 0,
        "kept-by-replicated in replicated": 1,
    }


def test_two_stacks_share_no_port(stacks: Stacks) -> None:
    plain, replicated = stacks.plain.ports, stacks.replicated.ports
    assert len(plain) == 1 + 2 + 3 + 2
    assert len(replicated) == 1 + 2 + 6 + 2
    assert not set(plain) & set(replicated)


def test_a_taken_port_moves_aside_and_port_0_takes_a_free_one(stacks: Stacks) -> None:
    assert stacks.first_output.count("is taken by another program. NGINX listens on port") == 1
    assert stacks.first_output.count("is taken by another program. /metrics of the API listens on port") == 1
    # The second start wants no port for NGINX. It still wants those of the metrics, which a setting names.
    assert "NGINX listens on port" not in stacks.plain.output + stacks.replicated.output
    assert stacks.plain.port != stacks.replicated.port


def test_each_stack_uses_its_own_databases(stacks: Stacks) -> None:
    for stack in (stacks.plain, stacks.replicated):
        assert len(stack.databases) == 2
        for number, url in enumerate(stack.databases):
            with psycopg.connect(url) as connection:
                [directory] = connection.execute("SHOW data_directory").fetchone() or [""]
            assert directory == str(stack.state.resolve() / f"postgres-{number}" / "data")


def refusal(settings: Settings, options: UpOptions) -> str:
    """Return what `up` prints when it refuses to start."""
    output = io.StringIO()
    assert up(settings, options, console=Console(file=output, width=1000)) == 1
    return output.getvalue().strip()


def test_a_second_up_in_the_same_directory_names_the_first(stacks: Stacks) -> None:
    stack = stacks.plain
    reason = refusal(Settings(state_dir=stack.state, metrics_port=0), UpOptions(port=0))
    assert reason.startswith(f"`likewise up` already uses {stack.state}, as process {stack.process.pid}. Stop it first")
    assert stack.process.poll() is None


def test_ids_reach_the_api_byte_for_byte(stacks: Stacks) -> None:
    stacks.plain.request("PUT", "/v1/posts/a%2Fb:~c/like")
    assert stacks.plain.count("a%2Fb:~c") == 1


def test_api_and_flusher_serve_their_metrics(stacks: Stacks) -> None:
    for stack in (stacks.plain, stacks.replicated):
        api, flusher = (int(port) for port in re.findall(rf"http://{HOST}:(\d+)/metrics", stack.output))
        assert b"likewise_likes_total" in stack.request("GET", "/metrics", api)
        assert b"likewise_pending_likes" in stack.request("GET", "/metrics", flusher)
        assert stack.request("GET", "/livez", flusher) == b"200 OK\n"


def test_a_load_test_measures_what_the_likes_cost_in_each_part(stacks: Stacks, tmp_path: Path) -> None:
    file = tmp_path / "drill.json"
    argv = [sys.executable, "-m", "service.cli", "drill", "--likes", "500", "--in", "1s", "--json", str(file)]
    env = os.environ | {"LIKEWISE_STATE_DIR": str(stacks.replicated.state)}
    done = subprocess.run([*argv, "--prices", str(PRICES)], env=env, capture_output=True, text=True, check=True)
    costs = json.loads(file.read_text())["costs"]
    # Nothing is logged, and 500 likes may fit into pages that are allocated already.
    may_be_zero = {"log_bytes", "log_lines", "redis_memory_bytes", "postgres_table_bytes", "postgres_index_bytes"}
    quantities = {line["name"]: line["quantity"] for line in costs["lines"]}
    assert len(quantities) == 19
    assert {name for name, quantity in quantities.items() if quantity <= 0} <= may_be_zero
    # Replicas get what the primaries write to disk, and NGINX passes requests on with more headers.
    assert quantities["redis_replicated_bytes"] > 100 * MILLION
    assert quantities["nginx_to_api_bytes"] > quantities["client_in_bytes"]
    assert sum(line["price"] or 0 for line in costs["lines"]) > 0
    assert costs["metric_series"] > 50
    assert {reason.partition(",")[0] for reason in costs["missing"]} == {
        "responses from the API to NGINX",
        "network between flusher and Postgres",
    }
    assert "USD a month" in done.stdout


def test_no_process_has_more_sockets_than_the_capacity_model_says(stacks: Stacks) -> None:
    stack = stacks.plain
    databases = {int(port) for url in stack.databases for port in re.findall(r":(\d+)/", url)}
    redis_nodes = {int(port) for port in re.findall(r"redis://[\d.]+:(\d+)", stack.output)}
    pool = Settings().postgres_pool
    expected = {"api": SOCKETS_OF_WORKER, "flusher": len(databases) + SOCKETS_OF_FLUSHER}
    for name, most in expected.items():
        child = psutil.Process(stack.pid(name))
        # The sockets of each process to each server.
        opened = Counter(
            (process.pid, socket.raddr.port)
            for process in (child, *child.children())
            for socket in process.net_connections("tcp")
            if socket.raddr
        )
        assert 0 < max(count for (_, port), count in opened.items() if port in redis_nodes) <= most
        assert 0 < max(count for (_, port), count in opened.items() if port in databases) <= pool


def test_nginx_replaces_the_request_id_of_a_client(stacks: Stacks) -> None:
    chosen = "chosen-by-the-client"
    stacks.plain.request("PUT", "/v1/posts/never-liked-before/like", headers={"X-Request-ID": chosen})
    log = (stacks.plain.state / "logs" / "api.log").read_text()
    ids = re.findall(r'"path": "/v1/posts/never-liked-before/like".*"request_id": "(\w+)"', log)
    assert [len(one) for one in ids] == [32]
    assert chosen not in log


@pytest.mark.parametrize("name", ["nginx", "api", "flusher"])
def test_a_service_that_is_killed_is_restarted(stacks: Stacks, name: str) -> None:
    stack = stacks.plain
    before = stack.pid(name)
    os.kill(before, signal.SIGKILL)
    stack.wait_for(f"{name} died (signal 9) and is restarted.")
    wait_until(lambda: stack.pid(name) != before, timeout_s=10, what=f"a new {name}")
    wait_until(lambda: stack.succeeds("GET", "/readyz"), timeout_s=30, what="an answer")


def test_with_replicas_likes_continue_while_a_killed_valkey_is_restarted(stacks: Stacks) -> None:
    stack = stacks.replicated
    before = stack.pid("valkey-1")
    os.kill(before, signal.SIGKILL)
    # The posts are on all nodes.
    posts = [f"liked-after-a-kill-{number}" for number in range(20)]
    for post in posts:
        wait_until(lambda post=post: stack.succeeds("PUT", f"/v1/posts/{post}/like"), timeout_s=30, what="a like")
    stack.wait_for("valkey-1 died (signal 9) and is restarted.")
    assert stack.pid("valkey-1") != before
    port = re.findall(rf"redis://{HOST}:(\d+)", stack.output)[1]
    wait_until(lambda: is_part_of_cluster(int(port)), timeout_s=30, what="the restarted node")
    assert all(stack.count(post) >= 1 for post in posts)


def is_part_of_cluster(port: int) -> bool:
    """Return whether the node answers, and sees a whole cluster of six nodes."""
    try:
        with redis.Redis(host=HOST, port=port) as client:
            info = client.cluster("info")
    except redis.RedisError:
        return False
    return (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"]) == ("ok", "16384", "6")


def test_a_privileged_metrics_port_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    reason = refusal(Settings(state_dir=tmp_path / "state", metrics_port=81), UpOptions(port=0))
    assert reason == ("Only root may listen on port 81. Choose a port from 1024 on with LIKEWISE_METRICS_PORT.")


def test_a_state_directory_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    reason = refusal(Settings(state_dir=tmp_path / "file", metrics_port=0), UpOptions(port=0))
    assert reason.startswith(f"The state directory {tmp_path}/file cannot be used: it is not a directory.")
    reason = refusal(Settings(state_dir=tmp_path / "file" / "below", metrics_port=0), UpOptions(port=0))
    assert "cannot be used: Not a directory. Choose another directory with LIKEWISE_STATE_DIR." in reason


def test_a_disk_with_too_little_space_is_an_error(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", metrics_port=0)
    reason = refusal(settings, UpOptions(port=0, min_free_bytes=2**60))
    assert "MB free. At least 1099511627776 MB are needed." in reason


def test_without_replicas_a_lost_data_server_ends_the_stack(stacks: Stacks) -> None:
    # The last test of this file, because it ends a stack that the other tests use.
    stack = stacks.plain
    family = psutil.Process(stack.process.pid).children(recursive=True)
    os.kill(stack.pid("valkey-1"), signal.SIGKILL)
    assert stack.process.wait(60) == 1
    assert f"valkey-1 died (signal 9). Its log {stack.state}/valkey/node-1.log ends with:" in stack.output
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert not list((stack.state / "run").glob("*.json"))
