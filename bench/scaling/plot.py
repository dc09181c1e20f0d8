"""Plot the cluster runs with and without the autoscaler: the likes, the pods and the latency.

`python -m bench.scaling.plot` writes docs/images/autoscaler-viral-drill.svg from the last results.
"""

import json
from pathlib import Path
from typing import Any

from autoscaler.simulator.report.panels import Line, Panel, draw

# The order in which the runs are recorded.
RUNS = ("likewise+hpa", "hpa alone")
_ROOT = Path(__file__).parents[2]
_COLORS = dict(zip(RUNS, ("#c2183f", "#3d7ea6"), strict=True))
_DUE_COLOR = "#2b2823"
# The axis of the latency goes from 1 ms to 100 s.
_LATENCY_DECADES = (0, 5)
# The load test's target for its p99.
_SLO_MS = 250.0


def plot_runs(results: dict[str, Any]) -> str:
    """Return the plot of both runs, over the same time from the first like on."""
    runs = results["runs"]
    start = float(runs[RUNS[0]]["from_s"])
    end = start + len(runs[RUNS[0]]["pods"]["ready"])
    step_s = runs[RUNS[0]]["drill"]["series"]["step_s"]
    due = Line("due", _DUE_COLOR, _series(runs[RUNS[0]], "due", step_s))
    likes = [Line(name, _COLORS[name], _series(runs[name], "acknowledged", step_s)) for name in RUNS]
    waits = [Line(name, _COLORS[name], _series(runs[name], "p99_ms", 1.0)) for name in RUNS]
    panels = [
        Panel("likes/s that were due, and acknowledged", [due, *likes]),
        Panel("ready pods; dashed: asked for", [line for name in RUNS for line in _pods(runs[name], name)], steps=True),
        Panel("p99 of the likes due in a second, ms", waits, decades=_LATENCY_DECADES, limit=_SLO_MS),
    ]
    title = f"{results['likes']:,} likes of one post in {results['seconds']} s, on a cluster of two cores"
    return draw(title, f"{title}: with the autoscaler and with the HPA alone", [due, *likes], panels, (start, end))


def _pods(run: dict[str, Any], name: str) -> list[Line]:
    def line(kind: str, dashed: bool) -> Line:
        points = [(float(run["from_s"] + second), float(pods)) for second, pods in enumerate(run["pods"][kind])]
        return Line(name, _COLORS[name], points, dashed)

    return [line("asked", True), line("ready", False)]


def _series(run: dict[str, Any], kind: str, per_s: float) -> list[tuple[float, float]]:
    """Return a series of the load test, with each point in the middle of its step. Values are divided by `per_s`."""
    series = run["drill"]["series"]
    step_s = series["step_s"]
    values = enumerate(series[kind])
    return [((at + 0.5) * step_s, value / per_s) for at, value in values if value is not None]


if __name__ == "__main__":
    path = _ROOT / "bench" / "results" / "viral-drill.json"
    (_ROOT / "docs" / "images" / "autoscaler-viral-drill.svg").write_text(plot_runs(json.loads(path.read_text())))
