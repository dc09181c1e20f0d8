"""Posts that double and double again, seen before they show in the total. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.policy.observation import PostRate

_DOUBLINGS = 2.0  # one may be chance or a newsletter; two in a row are a crowd that brings a crowd
_AHEAD = 2.0  # doublings that are believed ahead: what goes further is seen again before
_REST = 1.2  # times the rate it began at: below, a post rests, and its climb has not begun
_SLOWEST_S = 60.0  # for two doublings; what rises slower, the total shows early enough
_SMALLEST = 1 / 8  # of a pod's capacity: below, even the fourfold of a post fits a pod
_SMOOTH_S = 2.0  # a post's rate is averaged over so long: a few likes a second double by chance
_MOST = 1_000  # posts that are followed

Marks = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Climb:
    """A post's smoothed rate, and (time, rate) of where its last doublings began, oldest first."""

    at: float
    rate: float
    marks: Marks


def follow(
    climbs: Mapping[str, Climb],
    posts: Iterable[PostRate],
    seen: float | None,
    now: float,
    capacity: float,
    ahead_s: float,
) -> tuple[dict[str, Climb], float]:
    """The climbs with what is seen now, and the requests/s that viral posts will add within `ahead_s`.

    `seen` is when posts were last looked at, None at first; `capacity` is requests/s of a busy pod.
    """
    hottest = sorted((post for post in posts if 0 < post.rate < math.inf), key=lambda post: -post.rate)[:_MOST]
    smallest = _SMALLEST * capacity
    followed: dict[str, Climb] = {}
    extra = 0.0
    for post in hottest:
        before = climbs.get(post.post) or _unseen(seen, smallest, post.rate, now)
        rate = _smoothed(before, post.rate, now)
        if rate < smallest:
            continue
        extra += _expected(before.marks, rate, now, ahead_s)
        followed[post.post] = Climb(now, rate, _marked(before.marks, rate, now))
    return followed, extra


def _unseen(seen: float | None, smallest: float, rate: float, now: float) -> Climb:
    """A post that was not among the hottest at the last look was small then; at the first look nothing is known."""
    return Climb(now, rate, ((now, rate),)) if seen is None else Climb(seen, smallest, ((seen, smallest),))


def _smoothed(before: Climb, rate: float, now: float) -> float:
    share = 1 - math.exp(-max(0.0, now - before.at) / _SMOOTH_S) if now > before.at else 1.0
    return before.rate + share * (rate - before.rate)


def _expected(marks: Marks, rate: float, now: float, ahead_s: float) -> float:
    """What a post adds if it goes on doubling as it has since its oldest mark, and no faster than since the newest;
    nothing before it has doubled twice.
    """
    (first, base), (last, newest) = marks[0], marks[-1]
    doublings = math.log2(rate / base)
    if now <= last or doublings < _DOUBLINGS:
        return 0.0
    recent = (1 + max(0.0, math.log2(rate / newest))) / (now - last)
    per_s = min(doublings / (now - first), recent)
    return float(rate * (2 ** min(_AHEAD, per_s * ahead_s) - 1))


def _marked(marks: Marks, rate: float, now: float) -> Marks:
    """A new mark at each doubling, the last three are kept; anew from where a post rests or falls."""
    newest = marks[-1][1]
    if rate >= 2 * newest:
        marks = (*marks[-2:], (now, rate))
    elif len(marks) == 1 and rate < newest * _REST:
        return ((now, min(rate, newest)),)
    elif rate < newest / 2:
        return ((now, rate),)
    while marks and now - marks[0][0] > _SLOWEST_S:
        marks = marks[1:]
    return marks or ((now, rate),)
