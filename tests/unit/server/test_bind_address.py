"""`[::]` listens on IPv6 and IPv4, and a machine without IPv6 still starts."""

import socket

import pytest

from service.server import bind_address
from service.server.bind_address import bind_addresses


@pytest.mark.parametrize("bind", ["127.0.0.1:8000", "0.0.0.0:8000", "[::1]:8000", "unix:/tmp/likewise"])
def test_other_addresses_are_unchanged(bind):
    assert bind_addresses(bind) == [bind]


def test_one_socket_serves_both_if_the_kernel_allows_it(monkeypatch):
    monkeypatch.setattr(bind_address.socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *_: 0)
    assert bind_addresses("[::]:8000") == ["[::]:8000"]


def test_ipv4_gets_a_socket_of_its_own_if_the_kernel_keeps_both_apart(monkeypatch):
    monkeypatch.setattr(bind_address.socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *_: 1)
    assert bind_addresses("[::]:8000") == ["[::]:8000", "0.0.0.0:8000"]


def test_without_ipv6_it_is_ipv4(monkeypatch):
    monkeypatch.setattr(bind_address.socket, "has_dualstack_ipv6", lambda: False)
    assert bind_addresses("[::]:8000") == ["0.0.0.0:8000"]
