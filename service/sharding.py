"""The mapping from a post to its shard, and from a shard to its Redis slot and hash tag.

These functions are pure. Test vectors freeze their results, because a change would lose every stored like.
"""

import binascii
import itertools
import string
import zlib
from functools import lru_cache

SLOTS = 16_384
MAX_SHARDS = 4_096
# An odd number (2^32 / golden ratio), so that sub-buckets of a post fall on different shards.
_SUB_STEP = 0x9E3779B1
_ALPHABET = string.digits + string.ascii_lowercase


def shard_of(post: str, shards: int, sub: int = 0) -> int:
    """Return the shard of a post, 0 to `shards` - 1.

    `shards` is a power of two. `sub` is the number of the post's sub-bucket, always 0: no post is split yet.
    """
    return (zlib.crc32(post.encode()) + sub * _SUB_STEP) & (shards - 1)


def slot_of_shard(shard: int) -> int:
    """Return the Redis slot of a shard: its 14 bits reversed, which spreads any power of two of shards evenly."""
    return int(f"{shard:014b}"[::-1], 2)


@lru_cache(maxsize=8)
def tags(shards: int) -> tuple[str, ...]:
    """Return the Redis hash tag of each shard.

    A tag is the shortest, then alphabetically first, base-36 string that hashes to the shard's slot.
    """
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
