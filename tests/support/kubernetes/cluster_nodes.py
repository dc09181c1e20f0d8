"""Build tables in the format of CLUSTER NODES, and run the chart's awk programs on them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPTS = Path(__file__).parents[3] / "helm" / "likewise" / "files" / "redis"
SHARDS = ("0-5460", "5461-10921", "10922-16383")
SIZES = ("-v", "pods=6", "-v", "primaries=3")


@dataclass(frozen=True)
class Member:
    """One line of the table. The node's id is its name, repeated to 40 characters."""

    name: str
    follows: str = ""
    slots: str = ""
    at: str = ""
    flags: str = ""
    link: str = "connected"

    def line(self, me: str) -> str:
        """Return the line as the member `me` prints it."""
        flags = [*(["myself"] if self.name == me else []), "slave" if self.follows else "master"]
        pong_received_ms = 0 if self.name == me else 1700000000000
        at = self.at or address(self.name)
        primary = node_id(self.follows) if self.follows else "-"
        words = [node_id(self.name), f"{at}:6379@16379", ",".join([*flags, *self.flags.split()])]
        return " ".join([*words, primary, "0", str(pong_received_ms), "1", self.link, self.slots]).rstrip()


def node_id(name: str) -> str:
    """Return the id of a member, 40 characters."""
    return (name * 40)[:40]


def address(name: str) -> str:
    """Return the address of the pod with that name."""
    return f"10.0.0.{ord(name)}"


def survey(names: str, hosts: Sequence[str] = ()) -> str:
    """Return a survey of pods in the order of their ordinals. Each has a name of one letter, `.` is a silent pod."""
    found = [(at, name) for at, name in enumerate(names) if name != "."]
    return "".join(f"{at} {address(name)} {node_id(name)} {hosts[at] if hosts else 'host'}\n" for at, name in found)


def complete_cluster() -> list[Member]:
    """Return six members as after the first join: a, b and c are primaries, d, e and f their replicas."""
    primaries = [Member(name, slots=slots) for name, slots in zip("abc", SHARDS, strict=True)]
    return primaries + [Member(name, follows=primary) for name, primary in zip("def", "abc", strict=True)]


def with_change(members: Sequence[Member], name: str, **changes: str) -> list[Member]:
    """Return the table with one changed member."""
    return [replace(member, **changes) if member.name == name else member for member in members]


def plan(me: str, peers: str, members: Sequence[Member], tmp_path: Path) -> list[str]:
    """Return the next commands of the node `me`. `peers` is a survey."""
    (tmp_path / "peers").write_text(peers)
    table = "".join(f"{member.line(me)}\n" for member in members)
    command = ["awk", "-f", str(SCRIPTS / "plan.awk"), *SIZES, str(tmp_path / "peers"), "-"]
    done = subprocess.run(command, input=table, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


def is_complete(me: str, members: Sequence[Member]) -> bool:
    """Tell whether the cluster is complete, as seen by the node `me`."""
    table = "".join(f"{member.line(me)}\n" for member in members)
    done = subprocess.run(["awk", "-f", str(SCRIPTS / "whole.awk"), *SIZES], input=table, text=True, check=False)
    return done.returncode == 0
