"""`make bench-autoscaler`: all policies on all demands, and what the figures must be.

Writes bench/results/autoscaler.json, `{trace: {policy: {violation_s, pod_seconds, reversals, ...}}}`, and beside it
autoscaler-figures.json with the verdicts. The simulation has fixed seeds: the scores are the same on every machine.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from rich.console import Console

from autoscaler.errors import TraceError
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.trace import Curve, Trace, read
from autoscaler.simulator.model.world import World
from autoscaler.simulator.report.comparison import Result, contest
from autoscaler.simulator.report.plot import plot
from bench.autoscaler_figures import Found, decision_ms, figures, misses, table
from bench.autoscaler_held_out import HELD_OUT

RESULTS = Path(__file__).parent / "results"
_STORY = (2_100.0, 11_500.0)  # requests/s: 100 and 548 pods at the target utilisation
_SMALL = (3_000.0, 33_000.0)  # 5 and 48 pods of 1,000 requests/s each
_MIDDLE = (900.0, 7_000.0)  # 11 and 84 pods of 120 requests/s each
_TRACE_PEAK = 12_000.0  # requests/s to which the highest value of a real trace is scaled: 572 pods
_WEEK_S = 7 * 86_400.0
_PLOTS = {"viral@20s": (540.0, 1_200.0), "step": (540.0, 1_500.0), "sawtooth@20s": (540.0, 3_600.0)}


@dataclass(frozen=True)
class Case:
    """A trace in a world."""

    name: str
    trace: Trace
    world: World


def cases(folder: Path | None) -> Iterator[Case]:
    """Every shape with quick pods, with slow pods and on a small site; then the real traces, if there is a folder."""
    for name, shape in SHAPES.items():
        worlds = _worlds(name, shape)
        yield from worlds[:2] if name == "slow_day" else worlds  # the largest, and no other at another scale
    for file in sorted(folder.glob("*.csv")) if folder else ():
        for edges in (False, True):
            week = _busiest_week(read(file, edges=edges))
            scale = _TRACE_PEAK / max(week.demand.values)
            scaled = Curve(week.demand.times, tuple(value * scale for value in week.demand.values))
            yield Case(file.stem + "@edges" * edges, replace(week, demand=scaled), World())


def held_out() -> Iterator[Case]:
    """Each shape that nothing was chosen by, in a world of another size too, whose pods are ready in 8 s."""
    for name, shape in HELD_OUT.items():
        yield from _worlds(name, shape)
        yield Case(f"{name}@8s", shape(*_MIDDLE), World(capacity=120.0, start_s=8.0))


def _worlds(name: str, shape: Callable[[float, float], Trace]) -> list[Case]:
    return [
        Case(name, shape(*_STORY), World()),
        Case(f"{name}@20s", shape(*_STORY), World(start_s=20.0)),
        Case(f"{name}@small", shape(*_SMALL), World(capacity=1_000.0)),
    ]


def _with_seed(chosen: Iterable[Case], seed: int) -> Iterator[Case]:
    return (replace(case, world=replace(case.world, seed=seed)) for case in chosen)


def _busiest_week(trace: Trace) -> Trace:
    """The seven days around the highest value."""
    times, values = trace.demand.times, trace.demand.values
    top = times[values.index(max(values))]
    start = max(0.0, min(top - _WEEK_S / 2, trace.seconds - _WEEK_S))
    kept = [at for at, time in enumerate(times) if start <= time <= start + _WEEK_S]
    return replace(
        trace, demand=Curve(tuple(times[at] - times[kept[0]] for at in kept), tuple(values[at] for at in kept))
    )


def run(case: Case) -> Found:
    """A case's name, its spikes, the scores and, where one is wanted, the plot."""
    found = contest(
        case.trace, case.world, Tuning(pod_capacity=case.world.capacity, max_replicas=case.world.max_replicas)
    )
    return case.name, found.spikes, dict(found.scores), _picture(case, found)


def _picture(case: Case, found: Result) -> str:
    if case.name not in _PLOTS:
        return ""
    shown = replace(found, moments={name: found.moments[name] for name in ("ideal", "hpa", "kpa", "likewise")})
    return plot(shown, case.world, *_PLOTS[case.name])


def main() -> int:
    """The exit code: 0, or 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=os.environ.get("LIKEWISE_TRACES"), help="a folder of CSV traces")
    parser.add_argument("--only", default="", help="cases whose names begin so; nothing is judged or written")
    parser.add_argument(
        "--held-out", action="store_true", help="demands that nothing was chosen by; nothing is written"
    )
    parser.add_argument("--seed", type=int, help="of the noise, of generated demands alone; nothing is written")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        chosen = [one for one in _asked(asked) if one.name.startswith(asked.only)]
    except TraceError as error:
        console.print(f"The run failed: {error}", style="red", markup=False)
        return 1
    found = _all(chosen, console)
    console.print(table(found))
    if not (asked.only or asked.held_out or asked.seed is not None):
        return _judged(found, console)
    _missed(misses(found), console)
    return 0


def _asked(asked: argparse.Namespace) -> Iterator[Case]:
    seed = World().seed if asked.seed is None else asked.seed
    if asked.held_out:
        return _with_seed(held_out(), seed)
    if asked.seed is not None:
        return _with_seed((case for case in cases(None) if not case.name.startswith("slow_day")), seed)
    return cases(Path(asked.traces) if asked.traces else None)


def _all(chosen: Sequence[Case], console: Console) -> list[Found]:
    found = []
    with Pool() as pool, console.status("simulating ...") as status:
        for one in pool.imap(run, chosen):
            found.append(one)
            status.update(f"{len(found)} of {len(chosen)}: {one[0]}")
    return found


def _judged(found: Sequence[Found], console: Console) -> int:
    said = figures(found, decision_ms())
    console.print_json(json.dumps(said))
    _keep(found, said)
    return 1 if _missed(misses(found, said["decision_ms"]), console) else 0


def _missed(sentences: Sequence[str], console: Console) -> bool:
    for sentence in sentences:
        console.print(f"Missed: {sentence}", style="red", markup=False)
    return bool(sentences)


def _keep(found: Sequence[Found], said: Mapping[str, Any]) -> None:
    scores = {name: {policy: asdict(score) for policy, score in one.items()} for name, _, one, _ in found}
    (RESULTS / "autoscaler.json").write_text(json.dumps(scores, indent=1) + "\n")
    (RESULTS / "autoscaler-figures.json").write_text(json.dumps(said, indent=1) + "\n")
    for name, _, _, picture in found:
        if picture:
            (RESULTS.parents[1] / "docs" / "images" / f"autoscaler-{name.replace('@', '-')}.svg").write_text(picture)


if __name__ == "__main__":
    sys.exit(main())
