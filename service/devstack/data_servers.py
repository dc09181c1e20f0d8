"""Run the data servers of a local stack: a Valkey Cluster and two Postgres servers."""

import signal
from functools import partial

from service.devstack.ports import PortAllocator
from service.devstack.postgres import PostgresServer
from service.devstack.state import StateDir
from service.devstack.supervisor import Supervisor
from service.devstack.valkey import ValkeyCluster
from service.devstack.valkey_nodes import PRIMARIES
from service.settings import Settings

VALKEY_PORTS = tuple(range(7100, 7100 + 2 * PRIMARIES))
POSTGRES_PORTS = (7200, 7201)


class DataServers:
    """The data servers that the settings do not name. Servers that the settings name are run by somebody else."""

    def __init__(
        self, settings: Settings, state: StateDir, ports: PortAllocator, *, replicas: bool, prefer_usual_ports: bool
    ) -> None:
        self._ports = ports
        self._prefer_usual_ports = prefer_usual_ports
        self._valkey = None if "redis_urls" in settings.model_fields_set else self._cluster(settings, state, replicas)
        self._postgres = [] if "shard_map" in settings.model_fields_set else self._databases(settings, state)

    @property
    def redis_urls(self) -> list[str]:
        """URLs of our Valkey nodes, none if the settings name the cluster."""
        return self._valkey.urls if self._valkey else []

    @property
    def databases(self) -> list[str]:
        """URLs of our Postgres servers, none if the settings name them."""
        return [server.url for server in self._postgres]

    def start(self, supervisor: Supervisor) -> None:
        """Start every server, hand it to the supervisor, and return when all of them answer."""
        # Valkey nodes wait two seconds for each other. Meanwhile Postgres starts.
        if self._valkey:
            self._valkey.launch()
        for server in self._postgres:
            server.launch()
        for number, server in enumerate(self._postgres):
            server.wait_ready()
            if server.process:
                supervisor.adopt(f"postgres-{number}", server.process, server.log, stop_signal=signal.SIGINT)
        if self._valkey:
            self._valkey.wait_formed()
            self._adopt_nodes(supervisor, self._valkey)

    def stop(self) -> None:
        """Stop every server: Valkey first, then Postgres."""
        if self._valkey:
            self._valkey.stop()
        for server in self._postgres:
            server.stop()

    def _adopt_nodes(self, supervisor: Supervisor, valkey: ValkeyCluster) -> None:
        for number, process in enumerate(valkey.processes):
            # With replicas the cluster survives the death of one node. Without them a restart could hide a loss.
            restart = partial(valkey.relaunch, number) if valkey.replicas else None
            supervisor.adopt(f"valkey-{number}", process, valkey.log(number), restart=restart)

    def _cluster(self, settings: Settings, state: StateDir, replicas: bool) -> ValkeyCluster:
        # One half holds what is pending, the other serves counts.
        memory_bytes = 2 * settings.queue_bytes
        cluster = ValkeyCluster(state.path / "valkey", replicas=replicas, maxmemory_bytes=memory_bytes)
        cluster.ports[:] = self._choose(VALKEY_PORTS[: len(cluster.ports)], bus=True)
        return cluster

    def _databases(self, settings: Settings, state: StateDir) -> list[PostgresServer]:
        ports = self._choose(POSTGRES_PORTS[: settings.shards], bus=False)
        return [PostgresServer(state.path / f"postgres-{number}", port) for number, port in enumerate(ports)]

    def _choose(self, usual: tuple[int, ...], *, bus: bool) -> list[int]:
        if self._prefer_usual_ports:
            return self._ports.choose_group(usual, bus=bus)
        return self._ports.choose_free(len(usual))
