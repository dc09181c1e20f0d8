"""From a post to its shard, and from a shard to its Redis slot and hash tag. Pure, and frozen by test vectors."""

import binascii
import itertools
import string
import zlib
from functools import lru_cache

SLOTS = 16_384
MAX_SHARDS = 4_096
_SUB_STEP = 0x9E3779B1  # odd (2^32 / golden ratio), so sub-buckets of a post land on different shards
_ALPHABET = string.digits + string.ascii_lowercase


def shard_of(post: str, shards: int, sub: int = 0) -> int:
    """The shard, 0 to `shards` - 1, of a post. `shards` is a power of two; `sub` is 0: no post is split yet."""
    return (zlib.crc32(post.encode()) + sub * _SUB_STEP) & (shards - 1)


def slot_of_shard(shard: int) -> int:
    """The Redis slot of a shard: its 14 bits reversed, so any power of two of shards is spread evenly."""
    return int(f"{shard:014b}"[::-1], 2)


@lru_cache(maxsize=8)
def tags(shards: int) -> tuple[str, ...]:
    """The Redis hash tag of each shard: the shortest, then first, base-36 string that hashes to the shard's slot."""
    wanted = {slot_of_shard(shard): shard for shard in range(shards)}
    found: dict[int, str] = {}
    candidates = (
        "".join(chars) for length in itertools.count(1) for chars in itertools.product(_ALPHABET, repeat=length)
    )
    for tag in candidates:
        shard = wanted.pop(binascii.crc_hqx(tag.encode(), 0) % SLOTS, None)
        if shard is not None:
            found[shard] = tag
        if not wanted:
            return tuple(found[shard] for shard in range(shards))
    raise AssertionError("unreachable: the candidates are endless")
