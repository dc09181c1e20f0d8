"""Faults of servers, and waits for their consequences."""

import signal
from contextlib import suppress

import redis

from service.bootstrap.stores import Stores
from service.devstack.processes import HOST
from service.devstack.valkey import ValkeyCluster
from service.sharding import shard_of
from tests.support.waiting import wait_for


def client(port: int) -> redis.Redis:
    """Return a client of one node, which knows nothing of the cluster."""
    return redis.Redis(host=HOST, port=port, socket_timeout=5, protocol=2)


def is_primary(node: redis.Redis) -> bool:
    return bool(node.info("replication")["role"] == "master")


def post_in(shard: int, shards: int, name: str = "post") -> str:
    """Return the id of a post in the shard."""
    return next(post for at in range(100_000) if shard_of(post := f"{name}-{at}", shards) == shard)


def primary_of(stores: Stores, shard: int) -> int:
    """Return the port of the node that serves the shard."""
    return stores.shard_client.node(shard).address[1]


def primaries(stores: Stores) -> list[int]:
    stores.shard_client.cluster.refresh()
    return [node.address[1] for node in stores.shard_client.cluster.primaries()]


def forbid_promotion(valkey: ValkeyCluster) -> None:
    """Keep replicas from becoming primaries."""
    for port in valkey.ports:
        with client(port) as node:
            node.config_set("cluster-replica-no-failover", "yes")


def keep_every_write(port: int) -> None:
    """Make the node write to disk before each reply, so that killing it loses nothing."""
    with client(port) as node:
        node.config_set("appendfsync", "always")


def start_again(valkey: ValkeyCluster) -> None:
    """Start dead nodes, resume suspended ones, and wait until the cluster is complete."""
    for index, process in enumerate(valkey.processes):
        if process.poll() is not None:
            valkey.processes[index] = valkey._spawn(index)
        else:
            process.send_signal(signal.SIGCONT)
    wait_for(lambda: all(_sees_all(port) for port in valkey.ports), 30)


def _sees_all(port: int) -> bool:
    with suppress(redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError), client(port) as node:
        info = _text(node, "CLUSTER INFO")
        healthy = ("cluster_state:ok", "cluster_slots_ok:16384", "cluster_nodes_pfail:0", "cluster_nodes_fail:0")
        linked = "disconnected" not in _text(node, "CLUSTER NODES")
        synced = "master_link_status:down" not in _text(node, "INFO", "replication")
        return linked and synced and all(line in info for line in healthy)
    return False


def wait_for_promotion(valkey: ValkeyCluster, broken: int) -> None:
    """Wait until all nodes agree that the node at port `broken` serves no slots any more."""

    def promoted(port: int) -> bool:
        with client(port) as node:
            serving = [row.split()[1] for row in _text(node, "CLUSTER NODES").splitlines() if len(row.split()) > 8]
        return len(serving) == 3 and not any(f":{broken}@" in address for address in serving)

    wait_for(lambda: all(promoted(port) for port in valkey.ports if port != broken), 20)


def _text(node: redis.Redis, *command: str) -> str:
    # Return the reply as it is.
    node.response_callbacks.clear()
    return bytes(node.execute_command(*command)).decode()
