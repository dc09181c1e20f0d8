"""How much is sent in a run."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """`requests` of each kind in a round; `likers` and `posts` that a like's cost is to grow with."""

    rounds: int
    requests: int
    likers: int
    posts: int
    quick: bool

    @property
    def growth_requests(self) -> int:
        """Likes of a round of the growth figures: fewer, or a post of 1,000 would not be one for long."""
        return self.requests // 2


def parse(argv: Sequence[str] | None = None) -> Plan:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--rounds", type=_positive, help="rounds that count, besides one to warm up (5; quick: 2)")
    parser.add_argument("--requests", type=_positive, help="requests of each kind in a round (25,000; quick: 4,000)")
    parser.add_argument("--quick", action="store_true", help="a minute's look: a tenth of the likers and posts")
    given = parser.parse_args(argv)
    rounds, requests, size = (2, 4_000, 10) if given.quick else (5, 25_000, 1)
    return Plan(given.rounds or rounds, given.requests or requests, 1_000_000 // size, 100_000 // size, given.quick)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("give a number above 0")
    return number
