"""The chart's Redis Cluster: joined, joined again, and back by itself whatever happens to its pods."""

import binascii
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster.kubectl import CommandError, Namespace, eventually, namespace
from tests.support.cluster.stores import stores_only

NAME = "likewise-redis"
PODS = [f"{NAME}-{at}" for at in range(6)]
VALUES = {
    "redis.membership.resources.requests.cpu": "5m",
    "postgres.enabled": False,
    "postgres.external.existingSecret": "none",
}


@dataclass(frozen=True)
class Node:
    """A line of CLUSTER NODES."""

    node_id: str
    address: str
    primary: bool
    follows: str
    slots: list[range]

    def serves(self, key: str) -> bool:
        """Whether the key's slot is this node's."""
        return any(binascii.crc_hqx(key.encode(), 0) % 16_384 in one for one in self.slots)


class Redis:
    """The cluster as its pods tell it."""

    def __init__(self, where: Namespace, chart: Path) -> None:
        self.where = where
        self._chart = chart

    def install(self) -> None:
        """Install or upgrade, and wait as Helm does."""
        self.where.install(chart=self._chart, **VALUES)

    def ask(self, pod: str, *command: str, stdin: str | None = None) -> str:
        """What valkey-cli says in the pod; `stdin` holds commands, one a line."""
        inside = ["exec", "-i", pod, "-c", "valkey", "--", "valkey-cli", *command]
        return self.where.kubectl(*inside, stdin=stdin, timeout_s=30)

    def nodes(self, pod: str) -> dict[str, Node]:
        """The members as the pod's node sees them, by address."""
        lines = [line.split() for line in self.ask(pod, "CLUSTER", "NODES").splitlines() if line]
        return {node.address: node for node in map(_node, lines)}

    def addresses(self) -> dict[str, str]:
        """Where each pod is now, by its name."""
        return {pod["metadata"]["name"]: pod["status"].get("podIP", "") for pod in self.where.pods("redis")}

    def seen(self, pod: str) -> Node:
        """The pod's own node."""
        return self.nodes(pod)[self.addresses()[pod]]

    def shard(self) -> tuple[str, str]:
        """Some primary's pod, and the pod of its replica."""
        pods = {address: pod for pod, address in self.addresses().items()}
        nodes = self.nodes(PODS[0]).values()
        primary = next(node for node in nodes if node.primary)
        replica = next(node for node in nodes if node.follows == primary.node_id)
        return pods[primary.address], pods[replica.address]

    def whole(self) -> bool:
        """Whether all six agree: six members at their present addresses, every slot served, a replica each."""
        addresses = self.addresses()
        return len(addresses) == 6 and all(self._sees_all(pod, set(addresses.values())) for pod in PODS)

    def _sees_all(self, pod: str, addresses: set[str]) -> bool:
        nodes = self.nodes(pod)
        primaries = {node.node_id for node in nodes.values() if node.primary}
        followed = [node.follows for node in nodes.values() if not node.primary]
        served = sum(len(one) for node in nodes.values() for one in node.slots)
        state = self.ask(pod, "CLUSTER", "INFO")
        return (
            set(nodes) == addresses
            and len(primaries) == 3
            and sorted(followed) == sorted(primaries)
            and served == 16_384
            and "cluster_state:ok" in state
        )

    def crash(self, pod: str) -> None:
        """End the pod's server at once, with no handing over."""
        with suppress(CommandError):  # its container ends under it
            self.ask(pod, "SHUTDOWN", "NOSAVE", "NOW", "FORCE")

    def scale(self, pods: int) -> None:
        """So many pods, from now on."""
        self.where.kubectl("scale", "statefulset", NAME, f"--replicas={pods}")
        eventually(lambda: len(self.where.get("pods", "-l", "app.kubernetes.io/component=redis")["items"]) == pods)

    def empty_volumes(self, *pods: str) -> None:
        """Lose what pods that are away have stored."""
        volumes = [{"name": pod, "persistentVolumeClaim": {"claimName": f"data-{pod}"}} for pod in pods]
        spec = self.where.get("statefulset", NAME)["spec"]["template"]["spec"]
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
        self.where.apply(json.dumps(pod))
        self.where.kubectl("wait", "pod", "empty", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")

    def write(self, mark: str) -> dict[str, str]:
        """Keys on every primary, each confirmed by its replica."""
        written: dict[str, str] = {}
        pods = {address: pod for pod, address in self.addresses().items()}
        for node in [node for node in self.nodes(PODS[0]).values() if node.primary]:
            keys = [key for key in (f"{mark}:{at}" for at in range(60)) if node.serves(key)]
            commands = [f"SET {key} value-of-{key}" for key in keys]
            said = self.ask(pods[node.address], stdin="\n".join([*commands, "WAIT 1 5000"]))
            assert said.split() == ["OK"] * len(keys) + ["1"]
            written |= {key: f"value-of-{key}" for key in keys}
        assert len(written) == 60
        return written

    def read(self, keys: list[str]) -> dict[str, str]:
        """The keys that are there."""
        said = self.ask(PODS[0], "-c", stdin="\n".join(f"GET {key}" for key in keys))
        values = [line for line in said.splitlines() if not line.startswith("-> Redirected")]
        return {key: value for key, value in zip(keys, values, strict=True) if value}


def _node(words: list[str]) -> Node:
    ranges = [[int(end) for end in part.split("-")] for part in words[8:]]
    return Node(
        node_id=words[0],
        address=words[1].partition(":")[0],
        primary="master" in words[2].split(","),
        follows=words[3].strip("-"),
        slots=[range(ends[0], ends[-1] + 1) for ends in ranges],
    )


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with namespace("likewise-redis-test") as where:
        cluster = Redis(where, stores_only(tmp_path_factory.mktemp("chart")))
        cluster.install()
        eventually(cluster.whole)
        yield cluster


def test_the_job_runs_again_with_every_upgrade_and_changes_nothing(redis: Redis) -> None:
    def jobs() -> dict[str, int]:
        return {job["metadata"]["name"]: job["status"].get("succeeded", 0) for job in redis.where.get("jobs")["items"]}

    before, nodes = jobs(), redis.nodes(PODS[0])
    redis.install()
    eventually(lambda: list(jobs().values()) == [1])
    assert not before.keys() & jobs().keys()
    assert redis.nodes(PODS[0]) == nodes


def test_a_deleted_primary_hands_over_and_is_taken_in_under_its_new_address(redis: Redis) -> None:
    written = redis.write("deleted")
    primary, replica = redis.shard()
    before, address = redis.seen(primary), redis.addresses()[primary]
    redis.where.kubectl("delete", "pod", primary)
    assert redis.seen(replica).slots == before.slots  # already now: it did not wait for a failover
    eventually(redis.whole)
    after = redis.seen(primary)
    assert after.address != address
    assert (after.node_id, after.primary) == (before.node_id, False)
    assert redis.read(list(written)) == written


def test_a_primary_that_dies_is_replaced_by_its_replica_with_every_replicated_key(redis: Redis) -> None:
    written = redis.write("died")
    primary, replica = redis.shard()
    slots = redis.seen(primary).slots
    redis.crash(primary)
    eventually(lambda: redis.seen(replica).slots == slots)
    eventually(redis.whole)
    assert not redis.seen(primary).primary
    assert redis.read(list(written)) == written


def test_all_pods_deleted_at_once_come_back_with_their_keys(redis: Redis) -> None:
    written = redis.write("all")
    redis.where.kubectl("delete", "pod", *PODS)
    eventually(redis.whole)
    assert redis.read(list(written)) == written


def test_a_cluster_whose_every_address_is_stale_finds_itself(redis: Redis) -> None:
    written = redis.write("stale")
    before = redis.addresses()
    redis.scale(0)
    redis.scale(6)
    eventually(redis.whole)
    assert all(redis.addresses()[pod] != address for pod, address in before.items())
    assert redis.read(list(written)) == written


def test_a_shard_that_lost_both_volumes_is_served_again_and_the_others_keep_theirs(redis: Redis) -> None:
    written = redis.write("lost")
    primary, replica = redis.shard()
    lost = redis.seen(primary)
    redis.scale(0)
    redis.empty_volumes(primary, replica)
    redis.scale(6)
    eventually(redis.whole)
    assert redis.read(list(written)) == {key: value for key, value in written.items() if not lost.serves(key)}
