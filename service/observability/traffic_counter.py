"""Counters of the requests of a process. Counting a request is one addition."""

from collections import deque
from dataclasses import dataclass, field

# With this sample, the share of a post is wrong by 1.6 percentage points at most, in 19 of 20 cases.
_MAX_POSTS = 4_096


def _sample() -> deque[str]:
    return deque(maxlen=_MAX_POSTS)


@dataclass(slots=True)
class TrafficCounter:
    """Requests that arrived, were answered, and failed (5xx). The counters only grow.

    `posts` has the posts of the latest requests; its reader empties it. It is bounded, so under load it is a sample of
    the newest. There are no locks: under gevent nothing comes in between, and with threads a count may be missed.
    """

    arrived: int = 0
    answered: int = 0
    failed: int = 0
    posts: deque[str] = field(default_factory=_sample)
