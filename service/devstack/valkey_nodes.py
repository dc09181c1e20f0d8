"""Ask the nodes of a local Valkey Cluster for their view of it, and join them."""

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis

from service.devstack.processes import BUS_OFFSET, HOST, wait_until
from service.sharding import SLOTS

PRIMARIES = 3
# A node that loads a long append-only file answers late.
START_TIMEOUT_S = 60.0
_ADDRESS = re.compile(r"^([0-9a-f]{40}) [^ :]*:\d+@\d+", re.MULTILINE)


class Nodes:
    """The nodes at `ports`, primaries first. Methods raise RedisError if a node does not answer, unless noted."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports

    def answers(self, index: int) -> bool:
        """Return whether node `index` answers. Raises nothing."""
        with suppress(redis.RedisError):
            return bool(self._ask(index, "PING"))
        return False

    def is_ok(self, index: int) -> bool:
        """Return whether node `index` calls the cluster ok, with all links up and replicas in sync. Raises nothing."""
        with suppress(redis.RedisError):
            info = str(self._ask(index, "CLUSTER INFO"))
            is_linked = all(
                row[7] == "connected" and not {"fail", "fail?"} & set(row[2].split(",")) for row in self._nodes(index)
            )
            is_synced = "master_link_status:down" not in str(self._ask(index, "INFO", "replication"))
            return is_linked and is_synced and "cluster_state:ok" in info and f"slots_ok:{SLOTS}" in info
        return False

    def form(self) -> None:
        """Join the nodes into one cluster. What an earlier start has done already stays as it is."""
        nodes = [self._nodes(index) for index in range(len(self._ports))]
        if any(len(known) < len(self._ports) for known in nodes):
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
                # A part in brackets is a slot in migration.
                if not part.startswith("["):
                    first, _, last = part.partition("-")
                    covered |= set(range(int(first), int(last or first) + 1))
        for index in range(PRIMARIES):
            share = range(SLOTS * index // PRIMARIES, SLOTS * (index + 1) // PRIMARIES)
            for start, end in slot_ranges([slot for slot in share if slot not in covered]):
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
            # Without the client's callbacks the raw reply is the same for every version of redis-py.
            client.response_callbacks.clear()
            return client.execute_command(*command.split(), *args)


def update_addresses(directories: Sequence[Path], ports: Sequence[int]) -> None:
    """Write the ports of this start into the nodes.conf of each node, where an earlier start left other ports."""
    files = [directory / "nodes.conf" for directory in directories]
    texts = {file: file.read_text() for file in files if file.exists()}
    port_of = {
        line.split()[0]: ports[files.index(file)]
        for file, text in texts.items()
        for line in text.splitlines()
        if "myself" in line
    }

    def address(match: re.Match[str]) -> str:
        port = port_of.get(match[1])
        return f"{match[1]} {HOST}:{port}@{port + BUS_OFFSET}" if port else match[0]

    for file, text in texts.items():
        updated = _ADDRESS.sub(address, text).replace(",noaddr", "")
        if updated != text:
            file.write_text(updated)


def slot_ranges(slots: list[int]) -> list[tuple[int, int]]:
    """Return the first and last slot of each run of consecutive slots."""
    groups = itertools.groupby(enumerate(slots), lambda pair: pair[1] - pair[0])
    runs = [[slot for _, slot in group] for _, group in groups]
    return [(run[0], run[-1]) for run in runs]
