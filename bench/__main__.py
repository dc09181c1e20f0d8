"""Measure, print the table, and write bench/results/latest.json (`python -m bench`)."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console

from bench import figures, report
from bench.errors import BenchError
from bench.measurements import memory, starting
from bench.measurements.comparison import Comparison, RequestKind
from bench.measurements.cost_growth import CostGrowth
from bench.measurements.kinds import KINDS
from bench.peers.servers import start_peers
from bench.plan import GROWTH, START, Plan, parse
from bench.testbed import Testbed, open_testbed
from service.bootstrap.stores import open_stores
from service.errors import LikewiseError
from service.file_limit import raise_file_limit

_BIG = "hot-of-all"
Rounds = list[dict[str, figures.Costs]]
_console = Console()
# A log or a pipe has no width of its own.
_wide = Console(width=None if _console.is_terminal else 160)


def main() -> int:
    """Run the bench and return the exit code: 0, 1 after a failure, 130 after Ctrl-C."""
    plan = parse(kinds=[kind.name for kind in KINDS])
    signal.signal(signal.SIGTERM, _interrupt)
    raise_file_limit()
    try:
        results = _run(plan)
    except (BenchError, LikewiseError) as error:
        _console.print(f"The run failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        _console.print("Stopped. Nothing was written.")
        return 130
    _show(results, plan)
    return 0


def _show(results: dict[str, Any], plan: Plan) -> None:
    _wide.print(report.costs(results["microseconds"]))
    _wide.print(report.table(results))
    for key, reason in results["left_out"].items():
        _console.print(f"{key} was left out: {reason}.", style="yellow", markup=False)
    if plan.only:
        return
    report.write(
        report.document(
            results, quick=plan.quick, rounds=plan.rounds, requests=plan.requests, likers=plan.likers, posts=plan.posts
        )
    )
    _console.print(f"Written to {report.LATEST}")


def _run(plan: Plan) -> dict[str, Any]:
    with open_testbed() as testbed:
        with _step("servers start"):
            testbed.start_service()
            kinds, missing = _start_peers(testbed, plan)
        with open_stores(testbed.settings) as stores:
            comparison = Comparison(testbed, stores)
            rounds = _compare(comparison, kinds, plan)
            sizes, growth_rounds = _growth(comparison, plan)
            starts = _starts(testbed, plan)
            with _step("check that Redis, counts and rows agree"):
                comparison.check_all()
    found = figures.values(rounds) | figures.values(growth_rounds) | sizes
    if starts:
        found["start_s"] = [one["ready"] for one in starts]
    results: dict[str, Any] = {key: figures.summary(key, values) for key, values in found.items()}
    if starts:
        results["start"] = starting.medians(starts)
    results["left_out"] = figures.left_out(missing)
    results["microseconds"] = figures.microseconds(rounds) | figures.microseconds(growth_rounds)
    return results


def _start_peers(testbed: Testbed, plan: Plan) -> tuple[list[RequestKind], dict[str, str]]:
    """Return the kinds to measure, and why others can't be, by their names."""
    kinds = [kind for kind in KINDS if plan.wants(kind.name)]
    names = {name for kind in kinds for name in kind.parts} | ({"empty"} if plan.wants(GROWTH) else set())
    missing = start_peers(testbed, names)
    reasons = {kind.name: missing[name] for kind in kinds for name in kind.parts if name in missing}
    return [kind for kind in kinds if kind.name not in reasons], reasons


def _compare(comparison: Comparison, kinds: Sequence[RequestKind], plan: Plan) -> Rounds:
    with _step("warm-up"):
        comparison.round(kinds, 0, max(plan.requests // 4, 500))
    rounds = []
    for number in range(1, plan.rounds + 1):
        with _step(f"like and peers, round {number} of {plan.rounds}"):
            rounds.append(comparison.round(kinds, number, plan.requests))
    return rounds


def _starts(testbed: Testbed, plan: Plan) -> list[dict[str, float]]:
    if not plan.wants(START):
        return []
    # The first start reads files from the disk.
    starting.measure(testbed)
    with _step(f"{plan.rounds} pods start"):
        return [starting.measure(testbed) for _ in range(plan.rounds)]


def _growth(comparison: Comparison, plan: Plan) -> tuple[dict[str, list[float]], Rounds]:
    if not plan.wants(GROWTH):
        return {}, []
    with _step(f"memory of {plan.likers:,} likes of one post"):
        sizes = memory.measure(comparison, _BIG, plan.likers)
    growth = CostGrowth(comparison, _BIG, plan.likers + 1, plan.posts)
    with _step(f"{plan.posts:,} posts"):
        growth.prepare()
        # After a checkpoint, the first write to each page costs more.
        growth.round(0, max(plan.growth_requests // 4, 500))
    rounds = []
    for number in range(1, plan.rounds + 1):
        with _step(f"growth, round {number} of {plan.rounds}"):
            rounds.append(growth.round(number, plan.growth_requests))
    return {key: [size] for key, size in sizes.items()}, rounds


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Show on a terminal what is done now, and print a line when it is done."""
    began = time.monotonic()
    with _console.status(f"{what} ..."):
        yield
    _console.print(f"{time.monotonic() - began:6.1f} s  {what}", highlight=False)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
