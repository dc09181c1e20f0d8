"""A picture of a contest as SVG: demand, pods, and how long requests wait, one above the other. Pure."""

import math
from collections.abc import Callable, Sequence

from autoscaler.simulator.model.run import Moment
from autoscaler.simulator.model.world import World
from autoscaler.simulator.report.comparison import Result
from autoscaler.simulator.report.panels import Line, Panel, Points, draw

COLOURS = {
    "ideal": "#8b8578", "bound": "#c9c2b5", "hpa": "#3d7ea6", "kpa": "#e8853d", "likewise": "#c2183f",
    "likewise+hpa": "#8a63b8", "likewise+hpa30": "#3f8f6b", "demand": "#2b2823",
}  # fmt: skip
_FORESEEING = ("ideal", "bound")
_MOST_POINTS = 1_500  # of a line: two for each pixel
_WAIT_DECADES = (-2, 2)  # 10 ms to 100 s


def plot(result: Result, world: World, start: float = 0.0, end: float = math.inf) -> str:
    """The trace from `start` to `end`, in s."""
    end = min(end, result.trace.seconds)
    shown = {name: _between(moments, start, end) for name, moments in result.moments.items()}

    def lines(value: Callable[[Moment], float]) -> list[Line]:
        return [Line(name, COLOURS[name], _points(of, value), name in _FORESEEING) for name, of in shown.items()]

    demand = _points(next(iter(shown.values())), lambda moment: moment.measure.demand)
    pods = lines(lambda moment: float(moment.existing))
    wait = f"queue: wait, s; a violation above {world.slo_s:g}"
    panels = [
        Panel("demand, requests/s", [Line("demand", COLOURS["demand"], demand)]),
        Panel("pods that exist", pods, steps=True),
        Panel(wait, lines(lambda moment: moment.measure.wait_s), decades=_WAIT_DECADES, limit=world.slo_s),
    ]
    name = result.trace.name
    return draw(name, f"{name}: demand, pods and wait under each policy", pods, panels, (start, end))


def _between(moments: Sequence[Moment], start: float, end: float) -> list[Moment]:
    return [moment for moment in moments if start <= moment.measure.end <= end]


def _points(moments: Sequence[Moment], value: Callable[[Moment], float]) -> Points:
    """The points, or of each group the highest where they are too many: a spike must not be lost."""
    points = [(moment.measure.end, value(moment)) for moment in moments]
    group = math.ceil(len(points) / _MOST_POINTS)
    if group <= 1:
        return points
    return [max(points[at : at + group], key=lambda point: point[1]) for at in range(0, len(points), group)]
