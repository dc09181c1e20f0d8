"""Run all policies on all demands, and compare the scores with their limits: `make bench-autoscaler`.

It writes bench/results/autoscaler.json, `{trace: {policy: {violation_s, pod_seconds, reversals, ...}}}`, and
autoscaler-figures.json with the verdicts. The seeds are fixed, so the scores are the same on every machine.
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
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.trace import Curve, Trace, read_trace
from autoscaler.simulator.report.comparison import Comparison, compare
from autoscaler.simulator.report.plot import plot
from bench.autoscaler_figures import CaseResult, build_report, decision_ms, describe_misses, violation_table
from bench.autoscaler_held_out import HELD_OUT

RESULTS = Path(__file__).parent / "results"
# Base and peak in requests/s. At the target utilization they need 100 and 548 pods of 30 requests/s each.
_LARGE = (2_100.0, 11_500.0)
# 5 and 48 pods of 1,000 requests/s each.
_SMALL = (3_000.0, 33_000.0)
# 11 and 84 pods of 120 requests/s each.
_MEDIUM = (900.0, 7_000.0)
# The highest value of a real trace is scaled to this many requests/s: 572 pods.
_TRACE_PEAK = 12_000.0
_WEEK_S = 7 * 86_400.0
# The plotted cases, with the start and the end of the plot in s.
_PLOTS = {"viral@20s": (540.0, 1_200.0), "step": (540.0, 1_500.0), "sawtooth@20s": (540.0, 3_600.0)}


@dataclass(frozen=True)
class Case:
    """A trace, and the cluster it is simulated in."""

    name: str
    trace: Trace
    cluster: ClusterModel


def cases(folder: Path | None) -> Iterator[Case]:
    """Yield every shape with fast pods, with slow pods and on a small site, then the real traces of the folder."""
    for name, shape in SHAPES.items():
        variants = _variants(name, shape)
        # The day is the largest case, and another scale of it would show nothing else.
        yield from variants[:2] if name == "slow_day" else variants
    for file in sorted(folder.glob("*.csv")) if folder else ():
        for edges in (False, True):
            week = _busiest_week(read_trace(file, edges=edges))
            scale = _TRACE_PEAK / max(week.demand.values)
            demand = Curve(week.demand.times, tuple(value * scale for value in week.demand.values))
            yield Case(file.stem + "@edges" * edges, replace(week, demand=demand), ClusterModel())


def held_out() -> Iterator[Case]:
    """Yield the held-out shapes, each also on a site of medium size with pods that are ready in 8 s."""
    for name, shape in HELD_OUT.items():
        yield from _variants(name, shape)
        yield Case(f"{name}@8s", shape(*_MEDIUM), ClusterModel(pod_capacity=120.0, pod_startup_s=8.0))


def _variants(name: str, shape: Callable[[float, float], Trace]) -> list[Case]:
    return [
        Case(name, shape(*_LARGE), ClusterModel()),
        Case(f"{name}@20s", shape(*_LARGE), ClusterModel(pod_startup_s=20.0)),
        Case(f"{name}@small", shape(*_SMALL), ClusterModel(pod_capacity=1_000.0)),
    ]


def _with_seed(chosen: Iterable[Case], seed: int) -> Iterator[Case]:
    return (replace(case, cluster=replace(case.cluster, seed=seed)) for case in chosen)


def _busiest_week(trace: Trace) -> Trace:
    """Return the seven days around the highest value."""
    times, values = trace.demand.times, trace.demand.values
    top = times[values.index(max(values))]
    start = max(0.0, min(top - _WEEK_S / 2, trace.duration_s - _WEEK_S))
    kept = [index for index, time in enumerate(times) if start <= time <= start + _WEEK_S]
    demand = Curve(tuple(times[index] - times[kept[0]] for index in kept), tuple(values[index] for index in kept))
    return replace(trace, demand=demand)


def run_case(case: Case) -> CaseResult:
    """Run all policies on a case."""
    tuning = Tuning(pod_capacity=case.cluster.pod_capacity, max_replicas=case.cluster.max_replicas)
    comparison = compare(case.trace, case.cluster, tuning)
    return CaseResult(case.name, comparison.spikes, dict(comparison.scores), _plot(case, comparison))


def _plot(case: Case, comparison: Comparison) -> str:
    """Return the plot of a case, or an empty string if the documentation does not show it."""
    if case.name not in _PLOTS:
        return ""
    steps = {name: comparison.steps[name] for name in ("ideal", "hpa", "kpa", "likewise")}
    return plot(replace(comparison, steps=steps), case.cluster, *_PLOTS[case.name])


def main() -> int:
    """Run the benchmark and return the exit code: 0, or 1 if a figure misses its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=os.environ.get("LIKEWISE_TRACES"), help="a folder of CSV traces")
    parser.add_argument("--only", default="", help="run the cases with this prefix only; nothing is judged or written")
    parser.add_argument("--held-out", action="store_true", help="run the held-out demands; nothing is written")
    parser.add_argument("--seed", type=int, help="seed of the noise; only generated demands run, nothing is written")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        chosen = [case for case in _chosen_cases(options) if case.name.startswith(options.only)]
    except TraceError as error:
        console.print(f"The run failed: {error}", style="red", markup=False)
        return 1
    results = _run_all(chosen, console)
    console.print(violation_table(results))
    if not (options.only or options.held_out or options.seed is not None):
        return _judge(results, console)
    _print_misses(describe_misses(results), console)
    return 0


def _chosen_cases(options: argparse.Namespace) -> Iterator[Case]:
    seed = ClusterModel().seed if options.seed is None else options.seed
    if options.held_out:
        return _with_seed(held_out(), seed)
    if options.seed is not None:
        return _with_seed((case for case in cases(None) if not case.name.startswith("slow_day")), seed)
    return cases(Path(options.traces) if options.traces else None)


def _run_all(chosen: Sequence[Case], console: Console) -> list[CaseResult]:
    results = []
    with Pool() as pool, console.status("simulating ...") as status:
        for result in pool.imap(run_case, chosen):
            results.append(result)
            status.update(f"{len(results)} of {len(chosen)}: {result.name}")
    return results


def _judge(results: Sequence[CaseResult], console: Console) -> int:
    report = build_report(results, decision_ms())
    console.print_json(json.dumps(report))
    _write_files(results, report)
    return 1 if _print_misses(describe_misses(results, report["decision_ms"]), console) else 0


def _print_misses(sentences: Sequence[str], console: Console) -> bool:
    for sentence in sentences:
        console.print(f"Missed: {sentence}", style="red", markup=False)
    return bool(sentences)


def _write_files(results: Sequence[CaseResult], report: Mapping[str, Any]) -> None:
    scores = {result.name: {policy: asdict(score) for policy, score in result.scores.items()} for result in results}
    (RESULTS / "autoscaler.json").write_text(json.dumps(scores, indent=1) + "\n")
    (RESULTS / "autoscaler-figures.json").write_text(json.dumps(report, indent=1) + "\n")
    images = RESULTS.parents[1] / "docs" / "images"
    for result in results:
        if result.plot:
            (images / f"autoscaler-{result.name.replace('@', '-')}.svg").write_text(result.plot)


if __name__ == "__main__":
    sys.exit(main())
