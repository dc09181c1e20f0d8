"""Measure, print the table, and write bench/results/latest.json (`python -m bench`)."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console

from bench import figures, report
from bench.errors import BenchError
from bench.measurements import memory, starting
from bench.measurements.comparison import Comparison
from bench.measurements.cost_growth import CostGrowth
from bench.plan import Plan, parse
from bench.testbed import Testbed, open_testbed
from service.bootstrap.stores import open_stores
from service.devstack.processes import raise_file_limit
from service.errors import LikewiseError

_BIG = "hot-of-all"
_console = Console()
# A log or a pipe has no width of its own.
_wide = Console(width=None if _console.is_terminal else 160)


def main() -> int:
    """Run the bench and return the exit code: 0, 1 after a failure, 130 after Ctrl-C."""
    plan = parse()
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
    report.write(
        report.document(
            figures.with_growth(results), quick=plan.quick, rounds=plan.rounds, requests=plan.requests,
            likers=plan.likers, posts=plan.posts,
        )
    )  # fmt: skip
    _wide.print(report.table(results))
    _console.print(f"Written to {report.LATEST}")
    return 0


def _run(plan: Plan) -> dict[str, Any]:
    with open_testbed() as testbed:
        with _step("servers start"):
            testbed.start_service()
            testbed.start_peers()
        with open_stores(testbed.settings) as stores:
            comparison = Comparison(testbed, stores)
            values, rounds = _compare(comparison, plan)
            growth_values, growth_rounds = _growth(comparison, plan)
            starts = _starts(testbed, plan)
            with _step("check that Redis, counts and rows agree"):
                comparison.check_all()
    results: dict[str, Any] = {key: figures.summary(key, found) for key, found in (values | growth_values).items()}
    results["start_s"] = figures.summary("start_s", [one["ready"] for one in starts])
    results["start"] = starting.medians(starts)
    results["microseconds"] = figures.microseconds(rounds) | figures.microseconds(growth_rounds)
    return results


def _compare(comparison: Comparison, plan: Plan) -> tuple[dict[str, list[float]], list[Any]]:
    with _step("warm-up"):
        comparison.round(0, max(plan.requests // 4, 500))
    rounds = []
    for number in range(1, plan.rounds + 1):
        with _step(f"like and peers, round {number} of {plan.rounds}"):
            rounds.append(comparison.round(number, plan.requests))
    return figures.comparison_values(rounds), rounds


def _starts(testbed: Testbed, plan: Plan) -> list[dict[str, float]]:
    # The first start reads files from the disk.
    starting.measure(testbed)
    with _step(f"{plan.rounds} pods start"):
        return [starting.measure(testbed) for _ in range(plan.rounds)]


def _growth(comparison: Comparison, plan: Plan) -> tuple[dict[str, list[float]], list[Any]]:
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
    return {key: [size] for key, size in sizes.items()} | figures.growth_values(rounds), rounds


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
