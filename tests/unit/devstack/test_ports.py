"""Test how a local stack chooses its ports, and recognises its own servers."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.devstack.ports import PortAllocator, is_listening, reachable_host
from service.devstack.processes import BUS_OFFSET, HOST, free_ports, port_is_free, wait_until

LISTEN = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read()
"""


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def ports(lines: list[str]) -> Iterator[PortAllocator]:
    allocator = PortAllocator(lines.append)
    yield allocator
    allocator.release()


def test_a_free_preferred_port_is_used(ports: PortAllocator, lines: list[str]) -> None:
    [free] = free_ports(1)
    assert ports.choose(free, "NGINX") == free
    assert lines == []


def test_a_taken_port_is_replaced_and_the_change_is_announced(ports: PortAllocator, lines: list[str]) -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]
        chosen = ports.choose(taken, "NGINX")
    assert chosen != taken
    assert lines == [f"Port {taken} on {HOST} is taken by another program. NGINX listens on port {chosen} instead."]


def test_port_0_is_any_free_port(ports: PortAllocator, lines: list[str]) -> None:
    chosen = ports.choose(0, "NGINX")
    assert port_is_free(chosen)
    assert lines == []


def test_two_stacks_never_choose_the_same_port(ports: PortAllocator, lines: list[str]) -> None:
    other = PortAllocator(print)
    [preferred] = free_ports(1)
    try:
        assert other.choose(preferred, "NGINX") == preferred
        # Nobody listens yet, but the port is reserved.
        assert ports.choose(preferred, "NGINX") != preferred
        other.release()
        assert ports.choose(preferred, "NGINX") == preferred
    finally:
        other.release()


def test_one_taken_port_replaces_the_whole_group(ports: PortAllocator) -> None:
    group = free_ports(3)
    with socket.create_server((HOST, group[1] + BUS_OFFSET)):
        moved = ports.choose_group(group, bus=True)
        assert len(moved) == 3
        assert not set(moved) & set(group)
    # Nothing of the refused group stays reserved.
    assert ports.choose_group(group, bus=True) == group


def test_a_server_is_recognised_as_our_own() -> None:
    [port] = free_ports(1)
    command = [sys.executable, "-c", LISTEN, str(port)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE) as child,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
    ):
        wait_until(lambda: is_listening(child, port), timeout_s=20, what="the child")
        assert not is_listening(child, port + 1)
        assert not is_listening(other, port)
        child.kill()
        other.kill()


@pytest.mark.parametrize(
    ("bound", "host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", HOST), ("::", HOST), ("::1", "[::1]")]
)
def test_the_host_of_a_url(bound: str, host: str) -> None:
    assert reachable_host(bound) == host
