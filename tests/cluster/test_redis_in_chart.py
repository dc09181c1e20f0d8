"""Tests of the chart's Redis Cluster: joining, and recovery from failures of its pods."""

import binascii
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace
from tests.support.cluster.stores import chart_of_stores

NAME = "likewise-redis"
PODS = [f"{NAME}-{at}" for at in range(6)]
VALUES = {
    "redis.membership.resources.requests.cpu": "5m",
    "postgres.enabled": False,
    "postgres.external.existingSecret": "none",
}


@dataclass(frozen=True)
class Node:
    """One line of CLUSTER NODES."""

    node_id: str
    address: str
    primary: bool
    primary_id: str
    slots: list[range]

    def serves(self, key: str) -> bool:
        """Tell whether this node serves the slot of the key."""
        return any(binascii.crc_hqx(key.encode(), 0) % 16_384 in one for one in self.slots)


class Redis:
    """The cluster of the release."""

    def __init__(self, space: Namespace, chart: Path) -> None:
        self.space = space
        self._chart = chart

    def install(self) -> None:
        """Install or upgrade, and wait as Helm does."""
        self.space.install(chart=self._chart, **VALUES)

    def valkey_cli(self, pod: str, *command: str, stdin: str | None = None) -> str:
        """Return the output of valkey-cli in a pod. `stdin` holds commands, one per line."""
        command_in_pod = ["exec", "-i", pod, "-c", "valkey", "--", "valkey-cli", *command]
        return self.space.kubectl(*command_in_pod, stdin=stdin, timeout_s=30)

    def nodes(self, pod: str) -> dict[str, Node]:
        """Return the members by address, as seen by the node of a pod."""
        lines = [line.split() for line in self.valkey_cli(pod, "CLUSTER", "NODES").splitlines() if line]
        return {node.address: node for node in map(_node, lines)}

    def addresses(self) -> dict[str, str]:
        """Return the current address of each pod, by its name."""
        return {pod["metadata"]["name"]: pod["status"].get("podIP", "") for pod in self.space.pods("redis")}

    def uids(self) -> set[str]:
        """Return the unique id of each pod. A pod that replaces another one has its name, but not its id."""
        return {pod["metadata"]["uid"] for pod in self.space.pods("redis")}

    def node_of(self, pod: str) -> Node:
        """Return the node of a pod."""
        return self.nodes(pod)[self.addresses()[pod]]

    def primary_and_replica(self) -> tuple[str, str]:
        """Return the pod of a primary, and the pod of its replica."""
        pods = {address: pod for pod, address in self.addresses().items()}
        nodes = self.nodes(PODS[0]).values()
        primary = next(node for node in nodes if node.primary)
        replica = next(node for node in nodes if node.primary_id == primary.node_id)
        return pods[primary.address], pods[replica.address]

    def is_complete(self) -> bool:
        """Tell whether every node sees six members at their current addresses, all slots served, and three replicas."""
        addresses = self.addresses()
        return len(addresses) == 6 and all(self._sees_complete_cluster(pod, set(addresses.values())) for pod in PODS)

    def _sees_complete_cluster(self, pod: str, addresses: set[str]) -> bool:
        nodes = self.nodes(pod)
        primaries = {node.node_id for node in nodes.values() if node.primary}
        replicated = [node.primary_id for node in nodes.values() if not node.primary]
        served = sum(len(one) for node in nodes.values() for one in node.slots)
        state = self.valkey_cli(pod, "CLUSTER", "INFO")
        return (
            set(nodes) == addresses
            and len(primaries) == 3
            and sorted(replicated) == sorted(primaries)
            and served == 16_384
            and "cluster_state:ok" in state
        )

    def crash(self, pod: str) -> None:
        """Stop the pod's server at once, without a handover."""
        # The container exits while the command runs.
        with suppress(CommandError):
            self.valkey_cli(pod, "SHUTDOWN", "NOSAVE", "NOW", "FORCE")

    def scale(self, pods: int) -> None:
        """Set the number of pods, and wait until they are created or deleted."""
        self.space.kubectl("scale", "statefulset", NAME, f"--replicas={pods}")
        eventually(lambda: len(self.space.get("pods", "-l", "app.kubernetes.io/component=redis")["items"]) == pods)

    def empty_volumes(self, *pods: str) -> None:
        """Delete all files on the volumes of pods that are scaled down."""
        volumes = [{"name": pod, "persistentVolumeClaim": {"claimName": f"data-{pod}"}} for pod in pods]
        spec = self.space.get("statefulset", NAME)["spec"]["template"]["spec"]
        container = {key: spec["containers"][0][key] for key in ("image", "imagePullPolicy", "securityContext")}
        container |= {"name": "empty", "command": ["find", *(f"/{pod}" for pod in pods), "-mindepth", "1", "-delete"]}
        container["volumeMounts"] = [{"name": pod, "mountPath": f"/{pod}"} for pod in pods]
        runs = {"restartPolicy": "Never", "securityContext": spec["securityContext"], "volumes": volumes}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "empty"},
            "spec": runs | {"containers": [container]},
        }
        self.space.apply(json.dumps(pod))
        self.space.kubectl("wait", "pod", "empty", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")

    def write(self, prefix: str) -> dict[str, str]:
        """Write keys on every primary, and wait until the replicas confirm them."""
        written: dict[str, str] = {}
        pods = {address: pod for pod, address in self.addresses().items()}
        for node in [node for node in self.nodes(PODS[0]).values() if node.primary]:
            keys = [key for key in (f"{prefix}:{at}" for at in range(60)) if node.serves(key)]
            commands = [f"SET {key} value-of-{key}" for key in keys]
            reply = self.valkey_cli(pods[node.address], stdin="\n".join([*commands, "WAIT 1 5000"]))
            assert reply.split() == ["OK"] * len(keys) + ["1"]
            written |= {key: f"value-of-{key}" for key in keys}
        assert len(written) == 60
        return written

    def read(self, keys: list[str]) -> dict[str, str]:
        """Return the keys that exist, with their values."""
        reply = self.valkey_cli(PODS[0], "-c", stdin="\n".join(f"GET {key}" for key in keys))
        values = [line for line in reply.splitlines() if not line.startswith("-> Redirected")]
        return {key: value for key, value in zip(keys, values, strict=True) if value}


def _node(words: list[str]) -> Node:
    ranges = [[int(end) for end in part.split("-")] for part in words[8:]]
    return Node(
        node_id=words[0],
        address=words[1].partition(":")[0],
        primary="master" in words[2].split(","),
        primary_id=words[3].strip("-"),
        slots=[range(ends[0], ends[-1] + 1) for ends in ranges],
    )


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with namespace("likewise-redis-test") as space:
        cluster = Redis(space, chart_of_stores(tmp_path_factory.mktemp("chart")))
        cluster.install()
        eventually(cluster.is_complete)
        yield cluster


def test_the_join_job_runs_with_every_upgrade_and_changes_nothing(redis: Redis) -> None:
    def jobs() -> dict[str, int]:
        return {job["metadata"]["name"]: job["status"].get("succeeded", 0) for job in redis.space.get("jobs")["items"]}

    before, nodes = jobs(), redis.nodes(PODS[0])
    redis.install()
    eventually(lambda: list(jobs().values()) == [1])
    assert not before.keys() & jobs().keys()
    assert redis.nodes(PODS[0]) == nodes


def test_a_deleted_primary_hands_over_and_rejoins_with_its_new_address(redis: Redis) -> None:
    written = redis.write("deleted")
    primary, replica = redis.primary_and_replica()
    before, address = redis.node_of(primary), redis.addresses()[primary]
    redis.space.kubectl("delete", "pod", primary)
    # At once, without a failover.
    assert redis.node_of(replica).slots == before.slots
    eventually(redis.is_complete)
    after = redis.node_of(primary)
    assert after.address != address
    assert (after.node_id, after.primary) == (before.node_id, False)
    assert redis.read(list(written)) == written


def test_a_crashed_primary_is_replaced_by_its_replica_without_losing_replicated_keys(redis: Redis) -> None:
    written = redis.write("died")
    primary, replica = redis.primary_and_replica()
    slots = redis.node_of(primary).slots
    redis.crash(primary)
    eventually(lambda: redis.node_of(replica).slots == slots)
    eventually(redis.is_complete)
    assert not redis.node_of(primary).primary
    assert redis.read(list(written)) == written


def test_all_pods_deleted_at_once_recover_with_their_keys(redis: Redis) -> None:
    written = redis.write("all")
    before = redis.uids()
    # kubectl would wait for each pod, and sometimes does not notice that a pod of the same name is another one.
    redis.space.kubectl("delete", "pod", "--wait=false", *PODS)
    eventually(lambda: not before & redis.uids() and redis.is_complete(), timeout_s=300)
    assert redis.read(list(written)) == written


def test_a_cluster_recovers_when_all_addresses_are_stale(redis: Redis) -> None:
    written = redis.write("stale")
    before = redis.addresses()
    redis.scale(0)
    redis.scale(6)
    eventually(redis.is_complete)
    assert all(redis.addresses()[pod] != address for pod, address in before.items())
    assert redis.read(list(written)) == written


def test_a_shard_that_lost_both_volumes_is_served_and_others_keep_their_keys(redis: Redis) -> None:
    written = redis.write("lost")
    primary, replica = redis.primary_and_replica()
    lost = redis.node_of(primary)
    redis.scale(0)
    redis.empty_volumes(primary, replica)
    redis.scale(6)
    eventually(redis.is_complete)
    assert redis.read(list(written)) == {key: value for key, value in written.items() if not lost.serves(key)}
