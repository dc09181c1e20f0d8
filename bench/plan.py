"""Read from the command line how much a run sends."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# What `--only` may name besides kinds of requests.
GROWTH, START = "growth", "start"


@dataclass(frozen=True, slots=True)
class Plan:
    """Number of rounds, requests of each kind in a round, likers of the big post, and posts of the growth figures.

    only: names of the kinds to measure; empty for everything.
    """

    rounds: int
    requests: int
    likers: int
    posts: int
    quick: bool
    only: frozenset[str] = frozenset()

    @property
    def growth_requests(self) -> int:
        """Likes in a round of the growth figures: fewer, so that a post with few likers stays one."""
        return self.requests // 2

    def wants(self, name: str) -> bool:
        """Return whether something is to be measured."""
        return not self.only or name in self.only


def parse(argv: Sequence[str] | None = None, kinds: Collection[str] = ()) -> Plan:
    """Return the plan of the command line. `kinds`: names of the kinds of requests, for `--only`."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=...", description="Measure the cost of a like beside its peers."
    )
    parser.add_argument(
        "--rounds", type=_positive, help="Number of measured rounds, after one to warm up. Default: 5, quick: 2."
    )
    parser.add_argument(
        "--requests", type=_positive, help="Requests of each kind in a round. Default: 20,000, quick: 4,000."
    )
    parser.add_argument("--quick", action="store_true", help="Run for about two minutes, with a tenth of the data.")
    parser.add_argument(
        "--only",
        metavar="NAME,...",
        default="",
        help=f"Measure only these, and write no results file: {', '.join([*kinds, GROWTH, START])}.",
    )
    options = parser.parse_args(argv)
    only = frozenset(filter(None, options.only.split(",")))
    if unknown := only - {*kinds, GROWTH, START}:
        parser.error(f"--only has no {', '.join(sorted(unknown))}; it has {', '.join([*kinds, GROWTH, START])}")
    rounds, requests, divisor = (2, 4_000, 10) if options.quick else (5, 20_000, 1)
    return Plan(
        options.rounds or rounds,
        options.requests or requests,
        1_000_000 // divisor,
        100_000 // divisor,
        options.quick,
        only,
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number
