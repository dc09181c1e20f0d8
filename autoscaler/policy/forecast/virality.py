"""Detect posts that double repeatedly before the total of all arrivals shows it. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.policy.observation import PostRate

# One doubling may be noise or a newsletter. Two in a row mean that readers bring more readers.
_MIN_DOUBLINGS = 2.0
# The forecast goes this many doublings ahead. A rise that goes further shows again in a later observation.
_MAX_DOUBLINGS_AHEAD = 2.0
# Below this many times its first rate a post has not begun to rise.
_REST_FACTOR = 1.2
# Longest time for two doublings. The total shows a slower rise early enough.
_MAX_RISE_S = 60.0
# Smallest rate in shares of a pod's capacity: below it even four times the rate fits one pod.
_MIN_RATE_SHARE = 1 / 8
# A post's rate is averaged over this time, as a few likes per second double by chance.
_SMOOTHING_S = 2.0
_MAX_POSTS = 1_000

Doublings = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class PostTrend:
    """A post's smoothed rate in requests/s at `at`.

    `doublings` holds (time, rate) of the start of each of its last doublings, oldest first.
    """

    at: float
    rate: float
    doublings: Doublings


def update_trends(
    trends: Mapping[str, PostTrend],
    posts: Iterable[PostRate],
    seen_at: float | None,
    now: float,
    capacity: float,
    horizon_s: float,
) -> tuple[dict[str, PostTrend], float]:
    """Return the trends with the posts of `now`, and the requests/s that viral posts will add within `horizon_s`.

    `seen_at` is the time of the last look at posts, None for the first. `capacity` is the rate of a busy pod in
    requests/s.
    """
    hottest = sorted((post for post in posts if 0 < post.rate < math.inf), key=lambda post: -post.rate)[:_MAX_POSTS]
    smallest = _MIN_RATE_SHARE * capacity
    updated: dict[str, PostTrend] = {}
    extra = 0.0
    for post in hottest:
        before = trends.get(post.post) or _new_trend(seen_at, smallest, post.rate, now)
        rate = _smoothed(before, post.rate, now)
        if rate < smallest:
            continue
        extra += _expected_rise(before.doublings, rate, now, horizon_s)
        updated[post.post] = PostTrend(now, rate, _updated_doublings(before.doublings, rate, now))
    return updated, extra


def _new_trend(seen_at: float | None, smallest: float, rate: float, now: float) -> PostTrend:
    """Return the trend of a new post. A post that was not among the hottest at the last look was small then."""
    if seen_at is None:
        return PostTrend(now, rate, ((now, rate),))
    return PostTrend(seen_at, smallest, ((seen_at, smallest),))


def _smoothed(before: PostTrend, rate: float, now: float) -> float:
    weight = 1 - math.exp(-max(0.0, now - before.at) / _SMOOTHING_S) if now > before.at else 1.0
    return before.rate + weight * (rate - before.rate)


def _expected_rise(doublings: Doublings, rate: float, now: float, horizon_s: float) -> float:
    """Return the requests/s that a post adds, 0 before it has doubled twice.

    The post is assumed to rise as fast as since its oldest doubling, but no faster than since the newest.
    """
    (first_at, first_rate), (last_at, last_rate) = doublings[0], doublings[-1]
    count = math.log2(rate / first_rate)
    if now <= last_at or count < _MIN_DOUBLINGS:
        return 0.0
    recent = (1 + max(0.0, math.log2(rate / last_rate))) / (now - last_at)
    per_s = min(count / (now - first_at), recent)
    return float(rate * (2 ** min(_MAX_DOUBLINGS_AHEAD, per_s * horizon_s) - 1))


def _updated_doublings(doublings: Doublings, rate: float, now: float) -> Doublings:
    """Return the last three doublings. The list starts again where the post rests or falls."""
    newest = doublings[-1][1]
    if rate >= 2 * newest:
        doublings = (*doublings[-2:], (now, rate))
    elif len(doublings) == 1 and rate < newest * _REST_FACTOR:
        return ((now, min(rate, newest)),)
    elif rate < newest / 2:
        return ((now, rate),)
    while doublings and now - doublings[0][0] > _MAX_RISE_S:
        doublings = doublings[1:]
    return doublings or ((now, rate),)
