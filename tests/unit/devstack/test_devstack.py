"""Test the parts of `likewise up` that need no server."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from service.devstack.dashboard import Dashboard, Status
from service.devstack.nginx import UNREAD_HEADERS, nginx_argv
from service.devstack.processes import StartError, free_ports, port_is_free, spawn, tail, wait_until
from service.devstack.state import StateDir, state_dir_error
from service.devstack.supervisor import Supervisor, describe_log
from service.devstack.up import UpOptions, up
from service.devstack.valkey_nodes import slot_ranges
from service.settings import Settings

ROOT = Path(__file__).parents[3]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    state = StateDir(tmp_path / "state", min_free_bytes=0)
    # Entering creates the directories.
    with state:
        pass
    return state


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_the_secret_is_long_private_and_kept(state: StateDir) -> None:
    created = state.secret()
    assert len(created) >= 32
    assert state.secret() == created
    assert (state.path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_truncated_secret_is_replaced(state: StateDir) -> None:
    (state.path / "secret").write_text("short")
    assert len(state.secret()) >= 32


def test_a_state_directory_has_one_owner_at_a_time(state: StateDir) -> None:
    with state:
        with pytest.raises(StartError, match=f"as process {os.getpid()}"), StateDir(state.path):
            pass
        # The refused attempt must not release our lock.
        with pytest.raises(StartError), StateDir(state.path):
            pass
    with StateDir(state.path, min_free_bytes=0):
        pass


def test_too_little_space_is_refused_and_the_lock_released(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"MB free\. At least 1099511627776 MB are needed"):  # noqa: SIM117
        with StateDir(tmp_path, min_free_bytes=2**60):
            pass
    with StateDir(tmp_path, min_free_bytes=0):
        pass


def test_disk_errors_are_explained() -> None:
    full = state_dir_error(Path("/x"), OSError(errno.ENOSPC, "No space left on device"))
    assert str(full).startswith("The disk that holds /x is full.")
    denied = state_dir_error(Path("/x"), PermissionError(errno.EACCES, "Permission denied"))
    assert "/x cannot be used: Permission denied. Choose another" in str(denied)


def test_a_full_disk_is_recognized_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("PANIC: could not write: No space left on device\n")
    assert describe_log(log) == f"The disk is full, according to {log}."
    assert describe_log(tmp_path / "none.log").endswith("is empty.")


def test_processes_of_a_killed_run_are_stopped(state: StateDir) -> None:
    stale = spawn(SLEEP, log=state.log("api"))
    try:
        state.remember("api", stale, signal.SIGTERM, 1)
        lines: list[str] = []
        state.stop_stale(lines.append)
        assert stale.poll() is not None
        assert lines == [f"Stopping api (process {stale.pid}), which a killed run left behind."]
        assert not list(state.run.glob("*.json"))
    finally:
        kill(stale)


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"pid": "x", "order": "first"}'])
def test_malformed_notes_are_removed(state: StateDir, note: str) -> None:
    (state.run / "api.json").write_text(note)
    state.stop_stale(print)
    assert not list(state.run.glob("*.json"))


def test_a_reused_pid_is_left_alone(state: StateDir) -> None:
    other = spawn(SLEEP, log=state.log("other"))
    try:
        state.remember("api", other, signal.SIGKILL, 1)
        file = state.run / "api.json"
        born = psutil.Process(other.pid).create_time()
        file.write_text(file.read_text().replace(str(born), str(born - 3600)))
        state.stop_stale(print)
        assert other.poll() is None
    finally:
        kill(other)


def test_a_child_that_dies_is_restarted_until_it_keeps_dying(state: StateDir) -> None:
    lines: list[str] = []
    supervisor = Supervisor(state, lines.append)
    child = supervisor.start("api", [sys.executable, "-c", "print('oh no'); raise SystemExit(3)"], os.environ)
    for _ in range(3):
        child.process.wait()
        supervisor.check()
    child.process.wait()
    with pytest.raises(StartError, match=r"api keeps dying \(exit code 3\).*\n(.*\n)*oh no"):
        supervisor.check()
    assert lines == ["api died (exit code 3) and is restarted."] * 3


def test_a_data_server_without_restart_ends_the_stack(state: StateDir) -> None:
    supervisor = Supervisor(state, print)
    process = spawn(SLEEP, log=state.log("valkey-0"))
    supervisor.adopt("valkey-0", process, state.log("valkey-0"))
    supervisor.check()
    kill(process)
    with pytest.raises(StartError, match=r"valkey-0 died \(signal 9\)"):
        supervisor.check()


def test_children_are_stopped_in_reverse_order(state: StateDir) -> None:
    supervisor = Supervisor(state, print)
    children = [supervisor.start(name, SLEEP, os.environ) for name in ("flusher", "api")]
    supervisor.stop()
    assert [child.process.poll() for child in children] == [-signal.SIGTERM] * 2
    supervisor.forget()
    assert not list(state.run.glob("*.json"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent-death signal")
def test_children_die_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from service.devstack.processes import spawn;"
        f"child = spawn([sys.executable, '-c', 'import time; time.sleep(600)'], log=Path({str(tmp_path / 'log')!r}));"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert not psutil.wait_procs([child], timeout=10)[1]


def test_nginx_passes_ids_on_and_replaces_client_headers(state: StateDir) -> None:
    argv = nginx_argv(state.run, state.log("nginx"), port=1234, api_port=5678, workers=2)
    text = (state.run / "nginx.conf").read_text()
    assert os.access(argv[0], os.X_OK)
    for line in (
        "listen 127.0.0.1:1234 ",
        "server 127.0.0.1:5678 ",
        "merge_slashes off;",
        "proxy_pass http://api;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "client_max_body_size 16k;",
    ):
        assert line in text
    assert subprocess.run([*argv, "-t"], check=False).returncode == 0


def test_nginx_removes_no_header_that_the_api_reads() -> None:
    sources = [
        path.read_text()
        for folder in ("api", "auth", "core", "observability", "server")
        for path in (ROOT / "service" / folder).rglob("*.py")
    ]
    text = "\n".join(sources)
    environ_keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in UNREAD_HEADERS}
    assert re.search(r"\bHTTP_ACCEPT_LANGUAGE\b", text)
    assert not {
        name for name, key in environ_keys.items() if re.search(rf'\b{key}\b|headers(\.get\(|\[)"{name}"', text)
    }


def test_the_page_about_nginx_has_the_settings_of_this_configuration(state: StateDir) -> None:
    nginx_argv(state.run, state.log("nginx"), port=1234, api_port=5678, workers=2)
    written = (state.run / "nginx.conf").read_text()
    page = (ROOT / "docs/how-to/nginx.md").read_text()
    measured = re.findall(r"`((?:client|request|connection|proxy)\w+_size \w+)`", page.partition("## What does not")[0])
    assert len(measured) == 5
    # The table also names the size that did not pay.
    assert [line for line in measured if f"{line};" not in written] == ["request_pool_size 16k"]
    assert {f'proxy_set_header {name} "";' for name in UNREAD_HEADERS} <= set(page.splitlines())
    [statuses] = re.findall(r"\n +(200 0;.*)\n", written)
    assert page.count(statuses) == 2


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(port_is_free(port) for port in ports)


def test_slots_are_grouped_into_ranges() -> None:
    assert slot_ranges([0, 1, 2, 5, 7, 8]) == [(0, 2), (5, 5), (7, 8)]
    assert slot_ranges([]) == []


def test_a_timeout_names_the_condition() -> None:
    with pytest.raises(StartError, match=r"Waited 0\.01 s for rain\."):
        wait_until(lambda: False, timeout_s=0.01, what="rain", every_s=0.001)


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a\nb\n\xff\n")
    assert tail(tmp_path / "log", 2) == "b\n�"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_dashboard_shows_children_and_status(state: StateDir, terminal: bool) -> None:
    supervisor = Supervisor(state, print)
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=100)
    try:
        supervisor.start("api", SLEEP, os.environ)
        with Dashboard(console, supervisor.children, lambda: Status(12.0, 3, 0.25), line_interval_s=0) as dashboard:
            dashboard.refresh()
    finally:
        supervisor.stop()
    assert ("api" in output.getvalue()) == terminal
    assert "likes/s 12   pending 3   lag 0.2 s" in output.getvalue()


def test_a_privileged_port_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    output = io.StringIO()
    assert up(Settings(state_dir=tmp_path), UpOptions(port=80), console=Console(file=output, width=200)) == 1
    assert "Only root may listen on port 80. Choose a port from 1024 on with --port." in output.getvalue()


def test_a_data_server_with_restart_is_restarted_and_left_to_its_owner(state: StateDir) -> None:
    supervisor = Supervisor(state, print)
    first = spawn(SLEEP, log=state.log("valkey-0"))
    second = spawn(SLEEP, log=state.log("valkey-0"))
    try:
        supervisor.adopt("valkey-0", first, state.log("valkey-0"), restart=lambda: second)
        kill(first)
        supervisor.check()
        assert supervisor.children[0].process is second
        supervisor.stop()
        assert second.poll() is None
    finally:
        kill(second)
