"""The addresses that the metrics server listens on, and the variable that its error names."""

import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from service.devstack.processes import free_ports
from service.errors import ConfigurationError
from service.observability import metrics_server
from service.observability.metrics_server import serve_metrics


def status_of(address: str, port: int) -> int:
    with urllib.request.urlopen(f"http://{address}:{port}/livez", timeout=5) as answer:
        return answer.status


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this kernel has no IPv6")
@pytest.mark.parametrize("host", ["::", "[::]"])
def test_the_unspecified_address_accepts_ipv6_and_ipv4(host):
    [port] = free_ports(1)
    with serve_metrics(host, port, CollectorRegistry(), lambda: True):
        assert status_of("[::1]", port) == 200
        assert status_of("127.0.0.1", port) == 200


def test_a_kernel_without_ipv6_still_serves_ipv4(monkeypatch):
    monkeypatch.setattr(metrics_server.socket, "has_dualstack_ipv6", lambda: False)
    [port] = free_ports(1)
    with serve_metrics("::", port, CollectorRegistry(), lambda: True):
        assert status_of("127.0.0.1", port) == 200


def test_an_error_names_the_variable_of_the_caller():
    [port] = free_ports(1)
    with serve_metrics("127.0.0.1", port, CollectorRegistry(), lambda: True):
        second = serve_metrics("127.0.0.1", port, CollectorRegistry(), lambda: True, variable="LIKEWISE_OTHER_PORT")
        with pytest.raises(ConfigurationError, match=r"^LIKEWISE_OTHER_PORT: can't listen at 127\.0\.0\.1:"), second:
            pytest.fail("two servers listen on one port")
