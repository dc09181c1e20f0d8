"""Define `likewise-autoscaler simulate`, which compares the policy with others on a trace or a generated demand."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from autoscaler.settings import settings_from_environment
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.trace import Trace, read_trace
from autoscaler.simulator.report.comparison import POLICIES, Comparison, compare
from autoscaler.simulator.report.plot import plot

_DEFAULTS = ClusterModel()
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--trace",
    "trace_file",
    type=_FILE,
    help="A CSV file with the columns `timestamp,value`. Timestamps are in seconds or ISO 8601.",
)
@click.option(
    "--scale", type=float, default=1.0, show_default=True, help="Factor from values of the CSV file to requests/s."
)
@click.option("--edges", is_flag=True, help="Make each rise of the CSV file a jump at the start of its interval.")
@click.option("--shape", type=click.Choice(list(SHAPES)), help="A generated demand instead of a CSV file.")
@click.option("--base", type=float, default=2_100.0, show_default=True, help="Requests/s before and after the shape.")
@click.option("--peak", type=float, default=11_500.0, show_default=True, help="Highest requests/s of the shape.")
@click.option(
    "--capacity", type=float, default=_DEFAULTS.pod_capacity, show_default=True, help="Requests/s of a busy pod."
)
@click.option(
    "--ready-in", type=float, default=_DEFAULTS.pod_startup_s, show_default=True, help="Seconds until a pod is ready."
)
@click.option(
    "--hpa-lag", type=float, default=_DEFAULTS.hpa_lag_s, show_default=True, help="Age of the HPA's metrics in seconds."
)
@click.option("--policy", "policies", type=click.Choice(list(POLICIES)), multiple=True, help="Run only these policies.")
@click.option("--json", "json_file", type=_FILE, help="Write the scores to this JSON file.")
@click.option(
    "--plot", "plot_file", type=_FILE, help="Write a plot of the demand, the pods and the wait to this SVG file."
)
def simulate(trace_file: Path | None, shape: str | None, policies: Sequence[str], **options: Any) -> None:
    """Simulate the policies on a demand and print their scores.

    The LIKEWISE_AUTOSCALER_* variables configure the policy, as for `run`. All policies have the same minimum and
    maximum.
    """
    if (trace_file is None) == (shape is None):
        raise click.UsageError("give either --trace or --shape")
    settings = settings_from_environment(pod_capacity=_positive("--capacity", options["capacity"]))
    trace = _trace(trace_file, shape, options)
    cluster = ClusterModel(
        pod_capacity=settings.pod_capacity, min_replicas=settings.min_replicas, max_replicas=settings.max_replicas,
        pod_startup_s=_positive("--ready-in", options["ready_in"]),
        hpa_lag_s=_positive("--hpa-lag", options["hpa_lag"]),
    )  # fmt: skip
    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks = {name: progress.add_task(name, total=1.0) for name in policies or POLICIES}
        comparison = compare(
            trace, cluster, settings, tuple(tasks), lambda name, share: progress.update(tasks[name], completed=share)
        )
    Console().print(score_table(comparison))
    _write_files(comparison, cluster, options)


def score_table(comparison: Comparison) -> Table:
    """Return a table with a row for each policy."""
    ideal = comparison.scores.get("ideal")
    trace = comparison.trace
    table = Table(title=f"{trace.name}: {trace.duration_s:,.0f} s, {comparison.spikes} spikes")
    table.add_column("policy", no_wrap=True)
    for name in ("violation, s", "pod-seconds", "of ideal", "reversals", "peak", "requests lost"):
        table.add_column(name, justify="right")
    for name, score in comparison.scores.items():
        ratio = f"{score.pod_seconds / ideal.pod_seconds:.2f}" if ideal else ""
        figures = (f"{score.violation_s:,.0f}", f"{score.pod_seconds:,.0f}", ratio, f"{score.reversals:,}")
        table.add_row(name, *figures, f"{score.peak:,}", f"{score.lost:,.0f}")
    return table


def _trace(trace_file: Path | None, shape: str | None, options: dict[str, Any]) -> Trace:
    if trace_file is not None:
        return read_trace(trace_file, scale=_positive("--scale", options["scale"]), edges=options["edges"])
    base, peak = _positive("--base", options["base"]), _positive("--peak", options["peak"])
    if peak < base:
        raise click.UsageError(f"--peak {peak:g} is below --base {base:g}")
    return SHAPES[shape or ""](base, peak)


def _positive(option: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise click.UsageError(f"{option} must be more than 0, not {value:g}")
    return value


def _write_files(comparison: Comparison, cluster: ClusterModel, options: dict[str, Any]) -> None:
    scores = {name: asdict(score) for name, score in comparison.scores.items()}
    if options["json_file"]:
        _write_file(options["json_file"], json.dumps({comparison.trace.name: scores}, indent=2) + "\n")
    if options["plot_file"]:
        _write_file(options["plot_file"], plot(comparison, cluster))


def _write_file(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: can't be written: {error.strerror}") from error
