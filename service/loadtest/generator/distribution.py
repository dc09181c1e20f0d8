"""Draw the post of each like, and the request that follows it. Pure, and the same for the same options."""

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

# Kinds of requests.
LIKE, UNLIKE, REPEAT = 0, 1, 2
KINDS = ("likes", "unlikes", "repeats")
_SEED = 1
# Posts are drawn in chunks, so that ten million of them are never in memory as objects.
_CHUNK = 100_000


def draw_posts(likes: int, posts: int, zipf: float) -> "array[int]":
    """Return the post of each like.

    The share of post number r, counted from 1, is proportional to 1 / r^zipf. With `zipf` 0 the posts take turns.
    """
    if posts == 1 or zipf == 0:
        turn = array("I", range(posts))
        return (turn * (likes // posts + 1))[:likes]
    generator = random.Random(_SEED)  # noqa: S311 - not for security: runs must be repeatable
    weights = list(accumulate(rank**-zipf for rank in range(1, posts + 1)))
    drawn = array("I")
    for first in range(0, likes, _CHUNK):
        drawn.extend(generator.choices(range(posts), cum_weights=weights, k=min(_CHUNK, likes - first)))
    return drawn


def draw_follow_ups(likes: int, unlikes: float, repeats: float) -> bytearray:
    """Return for each like the request that follows it: UNLIKE, REPEAT, or LIKE for none.

    `unlikes` and `repeats` are exact shares of the likes.
    """
    unliked, repeated = round(likes * unlikes), round(likes * repeats)
    generator = random.Random(_SEED)  # noqa: S311 - not for security: runs must be repeatable
    follow_ups = bytearray(likes)
    drawn = generator.sample(range(likes), min(likes, unliked + repeated))
    for at, like in enumerate(drawn):
        follow_ups[like] = UNLIKE if at < unliked else REPEAT
    return follow_ups


def most_liked(post_of: Sequence[int]) -> int:
    """Return the post with the most likes."""
    return Counter(post_of).most_common(1)[0][0]
