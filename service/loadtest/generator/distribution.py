"""Which post each like is for, and what its actor does afterwards: the same for the same options. Pure."""

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

LIKE, UNLIKE, REPEAT = 0, 1, 2  # kinds of requests
KINDS = ("likes", "unlikes", "repeats")
_SEED = 1
_CHUNK = 100_000  # drawn at once, so that ten million do not stand in memory as objects


def posts_of(likes: int, posts: int, zipf: float) -> "array[int]":
    """The post of each like: post number r, from 1 on, has a share like 1 / r^zipf; with 0 they take turns."""
    if posts == 1 or zipf == 0:
        turn = array("I", range(posts))
        return (turn * (likes // posts + 1))[:likes]
    draw = random.Random(_SEED)  # noqa: S311 - the same crowd each time
    weights = list(accumulate(rank**-zipf for rank in range(1, posts + 1)))
    found = array("I")
    for first in range(0, likes, _CHUNK):
        found.extend(draw.choices(range(posts), cum_weights=weights, k=min(_CHUNK, likes - first)))
    return found


def afterwards(likes: int, unlikes: float, repeats: float) -> bytearray:
    """For each like what follows it: UNLIKE, REPEAT or, as LIKE, nothing; of each exactly the share."""
    taken_back, sent_again = round(likes * unlikes), round(likes * repeats)
    draw = random.Random(_SEED)  # noqa: S311 - the same crowd each time
    plan = bytearray(likes)
    drawn = draw.sample(range(likes), min(likes, taken_back + sent_again))
    for at, like in enumerate(drawn):
        plan[like] = UNLIKE if at < taken_back else REPEAT
    return plan


def hottest(post_of: Sequence[int]) -> int:
    """The post with most likes."""
    return Counter(post_of).most_common(1)[0][0]
