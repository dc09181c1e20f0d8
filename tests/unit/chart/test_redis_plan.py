"""Tests of files/redis/plan.awk, which plans the next commands of a node of the chart's Redis Cluster."""

from pathlib import Path

import pytest

from tests.support.kubernetes.cluster_nodes import (
    SHARDS,
    Member,
    address,
    complete_cluster,
    is_complete,
    node_id,
    plan,
    survey,
    with_change,
)

ALL_PODS = survey("abcdef")


def complete_without(*names: str) -> list[Member]:
    return [member for member in complete_cluster() if member.name not in names]


def unjoined_members() -> list[Member]:
    """Return six members that know each other and serve no slots."""
    return [Member(name) for name in "abcdef"]


@pytest.mark.parametrize("me", "abcdef")
def test_a_complete_cluster_needs_no_commands(me: str, tmp_path: Path) -> None:
    assert is_complete(me, complete_cluster())
    assert plan(me, ALL_PODS, complete_cluster(), tmp_path) == []


def test_a_new_node_meets_every_pod_that_answers(tmp_path: Path) -> None:
    commands = plan("a", survey("ab.d.."), [Member("a")], tmp_path)
    assert set(commands) == {f"CLUSTER MEET {address(name)} 6379" for name in "bd"}


@pytest.mark.parametrize(
    "stale",
    [
        {"at": "10.9.9.9", "link": "disconnected"},
        {"at": "10.9.9.9"},
        {"at": "", "flags": "noaddr", "link": "disconnected"},
    ],
)
def test_a_pod_with_a_new_address_is_met_again(stale: dict[str, str], tmp_path: Path) -> None:
    members = with_change(complete_cluster(), "e", **stale)
    assert plan("a", ALL_PODS, members, tmp_path) == [f"CLUSTER MEET {address('e')} 6379"]


def test_the_first_join_assigns_each_primary_its_slots(tmp_path: Path) -> None:
    for me, shard in zip("abc", SHARDS, strict=True):
        first, last = shard.split("-")
        assert plan(me, ALL_PODS, unjoined_members(), tmp_path) == [
            f"CLUSTER ADDSLOTSRANGE {first} {last}",
            "CLUSTER BUMPEPOCH",
        ]
    for me in "def":
        assert plan(me, ALL_PODS, unjoined_members(), tmp_path) == []


def test_replicas_wait_until_every_slot_is_served(tmp_path: Path) -> None:
    half = with_change(with_change(unjoined_members(), "a", slots=SHARDS[0]), "c", slots=SHARDS[2])
    assert plan("d", ALL_PODS, half, tmp_path) == []
    assert plan("b", ALL_PODS, half, tmp_path) == [
        "CLUSTER ADDSLOTSRANGE 5461 10921",
        "CLUSTER BUMPEPOCH",
    ]


def test_replicas_that_choose_at_the_same_time_choose_different_primaries(tmp_path: Path) -> None:
    serving = [*complete_cluster()[:3], *(Member(name) for name in "def")]
    chosen = [plan(me, ALL_PODS, serving, tmp_path) for me in "def"]
    assert chosen == [[f"CLUSTER REPLICATE {node_id(name)}"] for name in "abc"]


def test_a_replica_avoids_the_machine_of_its_primary(tmp_path: Path) -> None:
    serving = [*complete_cluster()[:3], *(Member(name) for name in "def")]
    peers = survey("abcdef", hosts=["x", "y", "z", "x", "y", "z"])
    chosen = [plan(me, peers, serving, tmp_path) for me in "def"]
    assert chosen == [[f"CLUSTER REPLICATE {node_id(name)}"] for name in "bca"]


def test_an_interrupted_join_resumes(tmp_path: Path) -> None:
    members = with_change(complete_cluster(), "b", slots="5461-8000 9000 9002-10921")
    assert not is_complete("a", members)
    assert plan("b", ALL_PODS, members, tmp_path) == [
        "CLUSTER ADDSLOTSRANGE 8001 8999 9001 9001",
        "CLUSTER BUMPEPOCH",
    ]


def test_after_a_failover_free_slots_go_to_the_present_primary(tmp_path: Path) -> None:
    members = with_change(with_change(complete_cluster(), "a", follows="d", slots=""), "d", follows="", slots="0-5000")
    assert plan("a", ALL_PODS, members, tmp_path) == []
    assert plan("d", ALL_PODS, members, tmp_path)[0] == "CLUSTER ADDSLOTSRANGE 5001 5460"


@pytest.mark.parametrize("silent", range(1, 6))
def test_no_slots_are_assigned_while_a_pod_is_silent(silent: int, tmp_path: Path) -> None:
    peers = survey("abcdef"[:silent] + "." + "abcdef"[silent + 1 :])
    members = with_change(unjoined_members(), "abcdef"[silent], link="disconnected", flags="fail")
    for me in "abcdef":
        if me != "abcdef"[silent]:
            assert plan(me, peers, members, tmp_path) == []


@pytest.mark.parametrize("suspicion", [{"flags": "fail?"}, {"flags": "fail"}])
def test_no_slots_are_assigned_while_a_pod_is_suspected(suspicion: dict[str, str], tmp_path: Path) -> None:
    members = with_change(unjoined_members(), "c", **suspicion)
    assert plan("a", ALL_PODS, members, tmp_path) == []


def test_a_pod_that_lost_its_volume_becomes_a_replica_once_the_old_node_is_forgotten(tmp_path: Path) -> None:
    peers = survey("abcdxf")
    failed = [*with_change(complete_cluster(), "e", flags="fail", link="disconnected"), Member("x")]
    for me in "abcdfx":
        assert plan(me, peers, failed, tmp_path) == [f"CLUSTER FORGET {node_id('e')}"]
    forgotten = [*complete_without("e"), Member("x")]
    assert not is_complete("x", forgotten)
    assert plan("x", peers, forgotten, tmp_path) == [f"CLUSTER REPLICATE {node_id('b')}"]


def test_a_primary_that_lost_its_volume_is_kept_until_its_replica_took_over(tmp_path: Path) -> None:
    peers = survey("axcdef")
    failed = [*with_change(complete_cluster(), "b", flags="fail", link="disconnected"), Member("x")]
    for me in "acdefx":
        assert plan(me, peers, failed, tmp_path) == []


def test_a_shard_that_lost_both_volumes_is_served_by_its_pod_again(tmp_path: Path) -> None:
    peers = survey("axcdyf")
    failed = with_change(
        with_change(complete_cluster(), "b", flags="fail?", link="disconnected"),
        "e",
        flags="fail?",
        link="disconnected",
    )
    failed += [Member("x"), Member("y")]
    assert sorted(plan("a", peers, failed, tmp_path)) == [f"CLUSTER FORGET {node_id(name)}" for name in "be"]
    remaining = [*complete_without("b", "e"), Member("x"), Member("y")]
    assert plan("x", peers, remaining, tmp_path) == ["CLUSTER ADDSLOTSRANGE 5461 10921", "CLUSTER BUMPEPOCH"]
    assert plan("y", peers, remaining, tmp_path) == []


def test_replicas_take_over_if_too_few_primaries_are_left_to_vote(tmp_path: Path) -> None:
    peers = survey("axydef")
    failed = with_change(
        with_change(complete_cluster(), "b", flags="fail?", link="disconnected"),
        "c",
        flags="fail?",
        link="disconnected",
    )
    failed += [Member("x"), Member("y")]
    assert plan("e", peers, failed, tmp_path) == ["CLUSTER FAILOVER TAKEOVER"]
    assert plan("f", peers, failed, tmp_path) == ["CLUSTER FAILOVER TAKEOVER"]
    for me in "adxy":
        assert plan(me, peers, failed, tmp_path) == []


def test_an_unknown_live_member_stops_all_changes(tmp_path: Path) -> None:
    assert plan("b", ALL_PODS, [*unjoined_members(), Member("z", slots=SHARDS[0])], tmp_path) == []


def test_the_last_of_two_replicas_moves_to_a_primary_without_one(tmp_path: Path) -> None:
    members = with_change(complete_cluster(), "e", follows="a")
    assert not is_complete("a", members)
    assert plan("d", ALL_PODS, members, tmp_path) == []
    assert plan("e", ALL_PODS, members, tmp_path) == [f"CLUSTER REPLICATE {node_id('b')}"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("b", {"flags": "fail"}),
        ("b", {"flags": "fail?"}),
        ("f", {"link": "disconnected"}),
        ("c", {"slots": "10922-16382"}),
        ("f", {"follows": ""}),
    ],
)
def test_incomplete_clusters(name: str, change: dict[str, str]) -> None:
    assert not is_complete("a", with_change(complete_cluster(), name, **change))


def test_a_cluster_without_one_member_is_incomplete() -> None:
    assert not is_complete("a", complete_without("f"))
