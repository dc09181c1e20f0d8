"""Plot a comparison as SVG: the demand, the pods, and the wait of requests, one above the other. Pure."""

import math
from collections.abc import Callable, Sequence

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.simulation import Step
from autoscaler.simulator.report.comparison import Comparison
from autoscaler.simulator.report.panels import Line, Panel, Points, draw

COLORS = {
    "ideal": "#8b8578", "bound": "#c9c2b5", "hpa": "#3d7ea6", "kpa": "#e8853d", "likewise": "#c2183f",
    "likewise+hpa": "#8a63b8", "likewise+hpa30": "#3f8f6b", "demand": "#2b2823",
}  # fmt: skip
# These policies know the trace. Their lines are dashed.
_WITH_FORESIGHT = ("ideal", "bound")
# Maximum number of points of a line: two for each pixel.
_MAX_POINTS = 1_500
# The axis of the wait goes from 10 ms to 100 s.
_WAIT_DECADES = (-2, 2)


def plot(comparison: Comparison, cluster: ClusterModel, start: float = 0.0, end: float = math.inf) -> str:
    """Return the plot of the trace from `start` to `end`, in s."""
    end = min(end, comparison.trace.duration_s)
    runs = {name: _between(steps, start, end) for name, steps in comparison.steps.items()}

    def lines(value: Callable[[Step], float]) -> list[Line]:
        return [
            Line(name, COLORS[name], _points(steps, value), name in _WITH_FORESIGHT) for name, steps in runs.items()
        ]

    demand = _points(next(iter(runs.values())), lambda step: step.measurement.demand)
    pods = lines(lambda step: float(step.existing))
    wait = f"queue: wait, s; a violation above {cluster.slo_s:g}"
    panels = [
        Panel("demand, requests/s", [Line("demand", COLORS["demand"], demand)]),
        Panel("pods that exist", pods, steps=True),
        Panel(wait, lines(lambda step: step.measurement.wait_s), decades=_WAIT_DECADES, limit=cluster.slo_s),
    ]
    name = comparison.trace.name
    return draw(name, f"{name}: demand, pods and wait under each policy", pods, panels, (start, end))


def _between(steps: Sequence[Step], start: float, end: float) -> list[Step]:
    return [step for step in steps if start <= step.measurement.end <= end]


def _points(steps: Sequence[Step], value: Callable[[Step], float]) -> Points:
    """Return the points. If there are too many, return the highest of each group, so that no spike is lost."""
    points = [(step.measurement.end, value(step)) for step in steps]
    group = math.ceil(len(points) / _MAX_POINTS)
    if group <= 1:
        return points
    return [max(points[at : at + group], key=lambda point: point[1]) for at in range(0, len(points), group)]
