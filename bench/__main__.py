"""`python -m bench`: measure, print the table, write bench/results/latest.json."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console

from bench import figures, memory, report, starting
from bench.contest import Contest
from bench.errors import BenchError
from bench.growth import Growth
from bench.lab import Lab, open_lab
from bench.plan import Plan, parse
from service.bootstrap.stores import open_stores
from service.devstack.processes import raise_file_limit
from service.errors import LikewiseError

_BIG = "hot-of-all"
_console = Console()
_wide = Console(width=None if _console.is_terminal else 160)  # a log or a pipe has no width of its own


def main() -> int:
    """The exit code: 0, or 1 and a sentence where something failed."""
    plan = parse()
    signal.signal(signal.SIGTERM, _interrupt)
    raise_file_limit()
    try:
        results = _run(plan)
    except (BenchError, LikewiseError) as error:
        _console.print(f"The run failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        _console.print("Stopped; nothing was written.")
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
    with open_lab() as lab:
        with _step("servers start"):
            lab.start_ours()
            lab.start_peers()
        with open_stores(lab.settings) as stores:
            contest = Contest(lab, stores)
            values, rounds = _contest(contest, plan)
            more, grown = _growth(contest, plan)
            starts = _starts(lab, plan)
            with _step("do Redis, counts and rows agree?"):
                contest.check_all()
    results: dict[str, Any] = {key: figures.summary(key, found) for key, found in (values | more).items()}
    results["start_s"] = figures.summary("start_s", [one["ready"] for one in starts])
    results["start"] = starting.medians(starts)
    results["microseconds"] = figures.microseconds(rounds) | figures.microseconds(grown)
    return results


def _contest(contest: Contest, plan: Plan) -> tuple[dict[str, list[float]], list[Any]]:
    with _step("warm-up"):
        contest.round(0, max(plan.requests // 4, 500))
    rounds = []
    for number in range(1, plan.rounds + 1):
        with _step(f"like and peers, round {number} of {plan.rounds}"):
            rounds.append(contest.round(number, plan.requests))
    return figures.contest_values(rounds), rounds


def _starts(lab: Lab, plan: Plan) -> list[dict[str, float]]:
    starting.measure(lab)  # files come from the disk once
    with _step(f"{plan.rounds} pods start"):
        return [starting.measure(lab) for _ in range(plan.rounds)]


def _growth(contest: Contest, plan: Plan) -> tuple[dict[str, list[float]], list[Any]]:
    with _step(f"memory of {plan.likers:,} likes of one post"):
        sizes = memory.measure(contest, _BIG, plan.likers)
    growth = Growth(contest, _BIG, plan.likers + 1, plan.posts)
    with _step(f"{plan.posts:,} posts"):
        growth.prepare()
        growth.round(0, max(plan.growth_requests // 4, 500))  # after a checkpoint, each page costs once more
    rounds = []
    for number in range(1, plan.rounds + 1):
        with _step(f"growth, round {number} of {plan.rounds}"):
            rounds.append(growth.round(number, plan.growth_requests))
    return {key: [size] for key, size in sizes.items()} | figures.growth_values(rounds), rounds


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Show what is done now where there is a terminal, and a line when it is done."""
    began = time.monotonic()
    with _console.status(f"{what} ..."):
        yield
    _console.print(f"{time.monotonic() - began:6.1f} s  {what}", highlight=False)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
