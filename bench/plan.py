"""Read from the command line how much a run sends."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Number of rounds, requests of each kind in a round, likers of the big post, and posts of the growth figures."""

    rounds: int
    requests: int
    likers: int
    posts: int
    quick: bool

    @property
    def growth_requests(self) -> int:
        """Likes in a round of the growth figures: fewer, so that a post with few likers stays one."""
        return self.requests // 2


def parse(argv: Sequence[str] | None = None) -> Plan:
    """Return the plan of the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=...", description="Measure the cost of a like beside its peers."
    )
    parser.add_argument(
        "--rounds", type=_positive, help="Number of measured rounds, after one to warm up. Default: 5, quick: 2."
    )
    parser.add_argument(
        "--requests", type=_positive, help="Requests of each kind in a round. Default: 25,000, quick: 4,000."
    )
    parser.add_argument("--quick", action="store_true", help="Run for about a minute, with a tenth of the data.")
    options = parser.parse_args(argv)
    rounds, requests, divisor = (2, 4_000, 10) if options.quick else (5, 25_000, 1)
    return Plan(
        options.rounds or rounds,
        options.requests or requests,
        1_000_000 // divisor,
        100_000 // divisor,
        options.quick,
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number
