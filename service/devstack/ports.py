"""Choose the ports of a local stack, so that two stacks on one machine never share one, and ask who listens there."""

import http.client
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import psutil

from service.devstack.processes import BUS_OFFSET, HOST, StartError, free_ports, port_is_free

_ATTEMPTS = 20
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound


class PortAllocator:
    """Reserves ports until `release`, or until this process ends.

    Two stacks that start at the same moment see the same ports free. A reservation is therefore a UDP socket bound to
    the port's number: the kernel gives it to one process of the machine, of any user, and it does not hinder a TCP
    server on the same number.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._reserved: dict[int, socket.socket] = {}

    def choose(self, preferred: int, purpose: str, *, host: str = HOST) -> int:
        """Reserve and return `preferred`, or a free port if it is taken, which is then announced. 0: any free port."""
        if preferred and self._reserve(preferred, host):
            return preferred
        port = self.choose_free(1)[0]
        if preferred:
            self._say(
                f"Port {preferred} on {host} is taken by another program. {purpose} listens on port {port} instead."
            )
        return port

    def choose_group(self, preferred: Sequence[int], *, bus: bool = False) -> list[int]:
        """Reserve and return all of `preferred`, or as many free ports if one of them is taken.

        With `bus`, the bus port of each must be free as well.
        """
        reserved: list[int] = []
        for port in [*preferred, *(port + BUS_OFFSET for port in preferred if bus)]:
            if not self._reserve(port, HOST):
                self._release(reserved)
                return self.choose_free(len(preferred))
            reserved.append(port)
        return list(preferred)

    def choose_free(self, count: int) -> list[int]:
        """Reserve and return `count` free ports, each together with its bus port."""
        chosen: list[int] = []
        for _ in range(_ATTEMPTS):
            for port in free_ports(count - len(chosen)):
                if self._reserve(port, HOST) and self._reserve(port + BUS_OFFSET, HOST):
                    chosen.append(port)
            if len(chosen) == count:
                return chosen
        raise StartError(f"No {count} free ports were found on {HOST}.")

    def release(self) -> None:
        """End every reservation."""
        self._release(list(self._reserved))

    def _reserve(self, port: int, host: str) -> bool:
        if port > 65_535 or port in self._reserved:
            return False
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind((HOST, port))
        except OSError:
            reservation.close()
            return False
        if not port_is_free(port, host):
            reservation.close()
            return False
        self._reserved[port] = reservation
        return True

    def _release(self, ports: Sequence[int]) -> None:
        for port in ports:
            if reservation := self._reserved.pop(port, None):
                reservation.close()


def is_listening(child: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether `child` itself listens on the TCP port.

    Ask this before anything is sent to the port: another program may have taken it.
    """
    with suppress(psutil.Error):
        connections = psutil.Process(child.pid).net_connections("tcp")
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)
    return False


def status_of(port: int, path: str) -> int:
    """Return the status of a GET, or 0 if there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


def reachable_host(host: str) -> str:
    """Return the host, as URLs have it, at which this machine reaches a server bound to `host`."""
    if host in _WILDCARDS:
        return HOST
    return f"[{host}]" if ":" in host else host
