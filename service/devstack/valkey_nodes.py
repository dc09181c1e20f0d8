"""The nodes of a local Valkey Cluster as they see each other, and how they become one."""

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis

from service.devstack.processes import HOST, wait_until
from service.sharding import SLOTS

PRIMARIES = 3
START_TIMEOUT_S = 60.0  # a node that has to load a long append-only file answers late
_ADDRESS = re.compile(r"^([0-9a-f]{40}) [^ :]*:\d+@\d+", re.MULTILINE)


class Nodes:
    """Those that run at `ports`, primaries first. Raises RedisError where one does not answer, unless said."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports

    def answers(self, index: int) -> bool:
        """Whether it does. Raises nothing."""
        with suppress(redis.RedisError):
            return bool(self._ask(index, "PING"))
        return False

    def is_ok(self, index: int) -> bool:
        """Whether it calls the cluster ok, with every link up and replicas in step. Raises nothing."""
        with suppress(redis.RedisError):
            info = str(self._ask(index, "CLUSTER INFO"))
            up = all(
                row[7] == "connected" and not {"fail", "fail?"} & set(row[2].split(",")) for row in self._nodes(index)
            )
            synced = "master_link_status:down" not in str(self._ask(index, "INFO", "replication"))
            return up and synced and "cluster_state:ok" in info and f"slots_ok:{SLOTS}" in info
        return False

    def form(self) -> None:
        """Make one cluster of the nodes; whatever an earlier start has done already is left as it is."""
        nodes = [self._nodes(index) for index in range(len(self._ports))]
        if any(len(seen) < len(self._ports) for seen in nodes):
            for port in self._ports[1:]:
                self._ask(0, "CLUSTER MEET", HOST, port)
        self._add_missing_slots()
        wait_until(self._all_met, timeout_s=START_TIMEOUT_S, what="the Valkey nodes to meet")
        for index in range(PRIMARIES, len(self._ports)):
            own = self._myself(index)
            if "master" in own[2] and len(own) == 8 and not self._ask(index, "DBSIZE"):
                self._ask(index, "CLUSTER REPLICATE", self._myself(index - PRIMARIES)[0])

    def _add_missing_slots(self) -> None:
        covered: set[int] = set()
        for index in range(len(self._ports)):
            for part in self._myself(index)[8:]:
                if not part.startswith("["):  # a slot being moved
                    first, _, last = part.partition("-")
                    covered |= set(range(int(first), int(last or first) + 1))
        for index in range(PRIMARIES):
            share = range(SLOTS * index // PRIMARIES, SLOTS * (index + 1) // PRIMARIES)
            for start, end in _runs([slot for slot in share if slot not in covered]):
                self._ask(index, "CLUSTER ADDSLOTSRANGE", start, end)

    def _all_met(self) -> bool:
        return all(len(self._nodes(index)) == len(self._ports) for index in range(len(self._ports)))

    def _nodes(self, index: int) -> list[list[str]]:
        rows = [line.split() for line in str(self._ask(index, "CLUSTER NODES")).splitlines()]
        return [row for row in rows if "handshake" not in row[2]]

    def _myself(self, index: int) -> list[str]:
        return next(row for row in self._nodes(index) if "myself" in row[2])

    def _ask(self, index: int, command: str, *args: str | int) -> object:
        with redis.Redis(host=HOST, port=self._ports[index], socket_timeout=5, decode_responses=True) as client:
            # execute_command without its callbacks: the raw answer is the same for every version
            client.response_callbacks.clear()
            return client.execute_command(*command.split(), *args)


def readdress(directories: Sequence[Path], ports: Sequence[int]) -> None:
    """Write the ports of this start into what the nodes remember of each other."""
    files = [directory / "nodes.conf" for directory in directories]
    known = {file: file.read_text() for file in files if file.exists()}
    port_of = {
        line.split()[0]: ports[files.index(file)]
        for file, text in known.items()
        for line in text.splitlines()
        if "myself" in line
    }

    def address(match: re.Match[str]) -> str:
        port = port_of.get(match[1])
        return f"{match[1]} {HOST}:{port}@{port + 10_000}" if port else match[0]

    for file, text in known.items():
        fresh = _ADDRESS.sub(address, text).replace(",noaddr", "")
        if fresh != text:
            file.write_text(fresh)


def _runs(slots: list[int]) -> list[tuple[int, int]]:
    groups = itertools.groupby(enumerate(slots), lambda pair: pair[1] - pair[0])
    ranges = [[slot for _, slot in group] for _, group in groups]
    return [(run[0], run[-1]) for run in ranges]
