"""`likewise-autoscaler simulate`: try the policy, as it is set, on a trace or a shape, beside the others."""

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
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.trace import Trace, read
from autoscaler.simulator.model.world import World
from autoscaler.simulator.report.comparison import POLICIES, Result, contest
from autoscaler.simulator.report.plot import plot

_WORLD = World()
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--trace", "file", type=_FILE, help="A CSV `timestamp,value`: seconds or ISO 8601, and a rate.")
@click.option(
    "--scale", type=float, default=1.0, show_default=True, help="Values of the CSV times this are requests/s."
)
@click.option("--edges", is_flag=True, help="Rises of the CSV at the edges of its bins, not as lines between them.")
@click.option("--shape", type=click.Choice(list(SHAPES)), help="A generated demand instead.")
@click.option("--base", type=float, default=2_100.0, show_default=True, help="Of a shape: requests/s before and after.")
@click.option("--peak", type=float, default=11_500.0, show_default=True, help="Of a shape: the highest requests/s.")
@click.option(
    "--capacity", type=float, default=_WORLD.capacity, show_default=True, help="Requests/s a busy pod serves."
)
@click.option("--ready-in", type=float, default=_WORLD.start_s, show_default=True, help="Seconds until a pod is ready.")
@click.option("--hpa-lag", type=float, default=_WORLD.hpa_lag_s, show_default=True, help="Age of what the HPA sees, s.")
@click.option("--policy", "policies", type=click.Choice(list(POLICIES)), multiple=True, help="Only these.")
@click.option("--json", "json_file", type=_FILE, help="The scores as JSON.")
@click.option("--plot", "plot_file", type=_FILE, help="Demand, pods and wait as SVG.")
def simulate(file: Path | None, shape: str | None, policies: Sequence[str], **asked: Any) -> None:
    """Say what the policies would have done to a demand.

    The policy is set as in `run`, by LIKEWISE_AUTOSCALER_*; all are given its minimum and maximum.
    """
    if (file is None) == (shape is None):
        raise click.UsageError("give either --trace or --shape")
    settings = settings_from_environment(pod_capacity=_positive("--capacity", asked["capacity"]))
    trace = _trace(file, shape, asked)
    world = World(
        capacity=settings.pod_capacity, min_replicas=settings.min_replicas, max_replicas=settings.max_replicas,
        start_s=_positive("--ready-in", asked["ready_in"]), hpa_lag_s=_positive("--hpa-lag", asked["hpa_lag"]),
    )  # fmt: skip
    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks = {name: progress.add_task(name, total=1.0) for name in policies or POLICIES}
        result = contest(
            trace, world, settings, tuple(tasks), lambda name, share: progress.update(tasks[name], completed=share)
        )
    Console().print(table(result))
    _write(result, world, asked)


def table(result: Result) -> Table:
    """A row for each policy."""
    ideal = result.scores.get("ideal")
    shown = Table(title=f"{result.trace.name}: {result.trace.seconds:,.0f} s, {result.spikes} spikes")
    shown.add_column("policy", no_wrap=True)
    for name in ("violation, s", "pod-seconds", "of ideal", "reversals", "peak", "requests lost"):
        shown.add_column(name, justify="right")
    for name, score in result.scores.items():
        ratio = f"{score.pod_seconds / ideal.pod_seconds:.2f}" if ideal else ""
        figures = (f"{score.violation_s:,.0f}", f"{score.pod_seconds:,.0f}", ratio, f"{score.reversals:,}")
        shown.add_row(name, *figures, f"{score.peak:,}", f"{score.lost:,.0f}")
    return shown


def _trace(file: Path | None, shape: str | None, asked: dict[str, Any]) -> Trace:
    if file is not None:
        return read(file, scale=_positive("--scale", asked["scale"]), edges=asked["edges"])
    base, peak = _positive("--base", asked["base"]), _positive("--peak", asked["peak"])
    if peak < base:
        raise click.UsageError(f"--peak {peak:g} is below --base {base:g}")
    return SHAPES[shape or ""](base, peak)


def _positive(option: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise click.UsageError(f"{option} must be more than 0, not {value:g}")
    return value


def _write(result: Result, world: World, asked: dict[str, Any]) -> None:
    scores = {name: asdict(score) for name, score in result.scores.items()}
    if asked["json_file"]:
        _put(asked["json_file"], json.dumps({result.trace.name: scores}, indent=2) + "\n")
    if asked["plot_file"]:
        _put(asked["plot_file"], plot(result, world))


def _put(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: can't be written: {error.strerror}") from error
