"""What a node of the chart's Redis Cluster does next, decided by files/redis/plan.awk from what it sees."""

from pathlib import Path

import pytest

from tests.support.cluster_nodes import (
    SHARDS,
    Member,
    address,
    changed,
    is_whole,
    node_id,
    plan,
    survey,
    whole,
)

ALL = survey("abcdef")


def without(*names: str) -> list[Member]:
    return [member for member in whole() if member.name not in names]


def fresh() -> list[Member]:
    """Six members that know each other and serve nothing."""
    return [Member(name) for name in "abcdef"]


@pytest.mark.parametrize("me", "abcdef")
def test_a_whole_cluster_is_left_alone(me: str, tmp_path: Path) -> None:
    assert is_whole(me, whole())
    assert plan(me, ALL, whole(), tmp_path) == []


def test_a_new_node_meets_every_pod_that_answers(tmp_path: Path) -> None:
    met = plan("a", survey("ab.d.."), [Member("a")], tmp_path)
    assert set(met) == {f"CLUSTER MEET {address(name)} 6379" for name in "bd"}


@pytest.mark.parametrize(
    "stale",
    [
        {"at": "10.9.9.9", "link": "disconnected"},
        {"at": "10.9.9.9"},
        {"at": "", "flags": "noaddr", "link": "disconnected"},
    ],
)
def test_a_pod_under_a_new_address_is_met_again(stale: dict[str, str], tmp_path: Path) -> None:
    members = changed(whole(), "e", **stale)
    assert plan("a", ALL, members, tmp_path) == [f"CLUSTER MEET {address('e')} 6379"]


def test_the_first_join_gives_each_primary_its_share(tmp_path: Path) -> None:
    for me, shard in zip("abc", SHARDS, strict=True):
        first, last = shard.split("-")
        assert plan(me, ALL, fresh(), tmp_path) == [f"CLUSTER ADDSLOTSRANGE {first} {last}", "CLUSTER BUMPEPOCH"]
    for me in "def":
        assert plan(me, ALL, fresh(), tmp_path) == []


def test_replicas_wait_until_every_slot_is_served(tmp_path: Path) -> None:
    half = changed(changed(fresh(), "a", slots=SHARDS[0]), "c", slots=SHARDS[2])
    assert plan("d", ALL, half, tmp_path) == []
    assert plan("b", ALL, half, tmp_path) == [
        "CLUSTER ADDSLOTSRANGE 5461 10921",
        "CLUSTER BUMPEPOCH",
    ]


def test_replicas_that_choose_at_once_choose_different_primaries(tmp_path: Path) -> None:
    serving = [*whole()[:3], *(Member(name) for name in "def")]
    chosen = [plan(me, ALL, serving, tmp_path) for me in "def"]
    assert chosen == [[f"CLUSTER REPLICATE {node_id(name)}"] for name in "abc"]


def test_a_replica_avoids_the_machine_of_its_primary(tmp_path: Path) -> None:
    serving = [*whole()[:3], *(Member(name) for name in "def")]
    placed = survey("abcdef", hosts=["x", "y", "z", "x", "y", "z"])
    chosen = [plan(me, placed, serving, tmp_path) for me in "def"]
    assert chosen == [[f"CLUSTER REPLICATE {node_id(name)}"] for name in "bca"]


def test_a_join_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    members = changed(whole(), "b", slots="5461-8000 9000 9002-10921")
    assert not is_whole("a", members)
    assert plan("b", ALL, members, tmp_path) == [
        "CLUSTER ADDSLOTSRANGE 8001 8999 9001 9001",
        "CLUSTER BUMPEPOCH",
    ]


def test_after_a_failover_slots_without_an_owner_go_to_the_present_primary(tmp_path: Path) -> None:
    members = changed(changed(whole(), "a", follows="d", slots=""), "d", follows="", slots="0-5000")
    assert plan("a", ALL, members, tmp_path) == []
    assert plan("d", ALL, members, tmp_path)[0] == "CLUSTER ADDSLOTSRANGE 5001 5460"


@pytest.mark.parametrize("silent", range(1, 6))
def test_nothing_is_given_away_while_a_pod_is_silent(silent: int, tmp_path: Path) -> None:
    peers = survey("abcdef"[:silent] + "." + "abcdef"[silent + 1 :])
    members = changed(fresh(), "abcdef"[silent], link="disconnected", flags="fail")
    for me in "abcdef":
        if me != "abcdef"[silent]:
            assert plan(me, peers, members, tmp_path) == []


@pytest.mark.parametrize("doubt", [{"flags": "fail?"}, {"flags": "fail"}])
def test_nothing_is_given_away_while_a_pod_is_in_doubt(invalidate: dict[str, str], tmp_path: Path) -> None:
    members = changed(fresh(), "c", **invalidate)
    assert plan("a", ALL, members, tmp_path) == []


def test_a_pod_that_lost_its_volume_follows_once_the_old_node_is_forgotten(tmp_path: Path) -> None:
    peers = survey("abcdxf")
    gone = [*changed(whole(), "e", flags="fail", link="disconnected"), Member("x")]
    for me in "abcdfx":
        assert plan(me, peers, gone, tmp_path) == [f"CLUSTER FORGET {node_id('e')}"]
    forgotten = [*without("e"), Member("x")]
    assert not is_whole("x", forgotten)
    assert plan("x", peers, forgotten, tmp_path) == [f"CLUSTER REPLICATE {node_id('b')}"]


def test_a_primary_that_lost_its_volume_is_not_forgotten_before_its_replica_took_over(tmp_path: Path) -> None:
    peers = survey("axcdef")
    gone = [*changed(whole(), "b", flags="fail", link="disconnected"), Member("x")]
    for me in "acdefx":
        assert plan(me, peers, gone, tmp_path) == []


def test_a_shard_that_lost_both_volumes_is_served_again_by_its_pod(tmp_path: Path) -> None:
    peers = survey("axcdyf")
    gone = changed(changed(whole(), "b", flags="fail?", link="disconnected"), "e", flags="fail?", link="disconnected")
    gone += [Member("x"), Member("y")]
    assert sorted(plan("a", peers, gone, tmp_path)) == [f"CLUSTER FORGET {node_id(name)}" for name in "be"]
    left = [*without("b", "e"), Member("x"), Member("y")]
    assert plan("x", peers, left, tmp_path) == ["CLUSTER ADDSLOTSRANGE 5461 10921", "CLUSTER BUMPEPOCH"]
    assert plan("y", peers, left, tmp_path) == []


def test_replicas_take_over_where_too_few_primaries_are_left_to_vote(tmp_path: Path) -> None:
    peers = survey("axydef")
    gone = changed(changed(whole(), "b", flags="fail?", link="disconnected"), "c", flags="fail?", link="disconnected")
    gone += [Member("x"), Member("y")]
    assert plan("e", peers, gone, tmp_path) == ["CLUSTER FAILOVER TAKEOVER"]
    assert plan("f", peers, gone, tmp_path) == ["CLUSTER FAILOVER TAKEOVER"]
    for me in "adxy":
        assert plan(me, peers, gone, tmp_path) == []


def test_a_stranger_that_still_answers_stops_everything(tmp_path: Path) -> None:
    assert plan("b", ALL, [*fresh(), Member("z", slots=SHARDS[0])], tmp_path) == []


def test_of_two_replicas_the_last_goes_to_a_primary_without_one(tmp_path: Path) -> None:
    members = changed(whole(), "e", follows="a")
    assert not is_whole("a", members)
    assert plan("d", ALL, members, tmp_path) == []
    assert plan("e", ALL, members, tmp_path) == [f"CLUSTER REPLICATE {node_id('b')}"]


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
def test_what_is_not_whole(name: str, change: dict[str, str]) -> None:
    assert not is_whole("a", changed(whole(), name, **change))


def test_a_missing_member_is_not_whole() -> None:
    assert not is_whole("a", without("f"))
