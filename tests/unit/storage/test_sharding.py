"""Test vectors of the sharding. A change of any result would lose every stored like."""

import binascii

import pytest

from service.sharding import SLOTS, shard_of, slot_of_shard, tags

VECTORS = [
    ("a", 67, 3651, 244),
    ("post", 141, 3213, 62),
    ("hello-world", 91, 603, 12),
    ("blog/2026/11/21", 84, 596, 5),
    ("~x:y.z", 8, 3080, 185),
]
TAGS = {0: "1bz", 1: "fjl", 2: "17p", 128: "5n3", 255: "45c"}


@pytest.mark.parametrize(("post", "of_256", "of_4096", "sub_1"), VECTORS)
def test_shards_are_frozen(post: str, of_256: int, of_4096: int, sub_1: int) -> None:
    assert (shard_of(post, 256), shard_of(post, 4096), shard_of(post, 256, 1)) == (of_256, of_4096, sub_1)


def test_tags_are_frozen() -> None:
    assert {shard: tags(256)[shard] for shard in TAGS} == TAGS


@pytest.mark.parametrize("shards", [1, 2, 256, 1024])
def test_slots_are_spread_evenly(shards: int) -> None:
    slots = sorted(binascii.crc_hqx(tag.encode(), 0) % SLOTS for tag in tags(shards))
    assert slots == list(range(0, SLOTS, SLOTS // shards))
    assert slots == sorted(slot_of_shard(shard) for shard in range(shards))


@pytest.mark.parametrize("post", ["a", "post-17", "x" * 200])
def test_doubling_splits_a_shard_in_two(post: str) -> None:
    shard = shard_of(post, 256)
    assert shard_of(post, 512) in (shard, shard + 256)
    assert tags(512)[:256] == tags(256)


def test_posts_are_spread_evenly() -> None:
    counts = [0] * 256
    for number in range(25_600):
        counts[shard_of(f"post-{number}", 256)] += 1
    assert min(counts) > 50
    assert max(counts) < 150
