"""A picture of a contest as SVG: demand, pods, and how long requests wait, one above the other. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from autoscaler.simulate.contest import Result
from autoscaler.simulate.run import Moment
from autoscaler.simulate.world import World

_LEFT, _WIDTH, _RIGHT = 64, 780, 16
_TOP, _HEIGHT, _GAP = 56, 150, 46
_COLOURS = {
    "ideal": "#8b8578", "bound": "#c9c2b5", "hpa": "#3d7ea6", "kpa": "#e8853d", "likewise": "#c2183f",
    "likewise+hpa": "#8a63b8", "likewise+hpa30": "#3f8f6b", "demand": "#2b2823",
}  # fmt: skip
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#6a655c}.title{font-weight:600;fill:#2b2823}"
    ".rule{stroke:#e4dfd6;fill:none}.slo{stroke:#2b2823;stroke-dasharray:3 4;fill:none}"
    ".line{fill:none;stroke-width:1.7;stroke-linejoin:round}.ideal,.bound{stroke-dasharray:6 4}"
)
_MOST_POINTS = 1_500  # of a line: two for each pixel
_TICKS = 5
_LEAST_WAIT_S, _MOST_WAIT_S = 0.01, 100.0  # decades of the lowest panel
_UNITS_S = ((172_800.0, 86_400.0, "d"), (10_800.0, 3_600.0, "h"), (240.0, 60.0, "min"), (0.0, 1.0, "s"))

Points = list[tuple[float, float]]
Place = Callable[[float], float]


def plot(result: Result, world: World, start: float = 0.0, end: float = math.inf) -> str:
    """The trace from `start` to `end`, in s."""
    end = min(end, result.trace.seconds)
    shown = {name: _between(moments, start, end) for name, moments in result.moments.items()}
    demand = {"demand": _line(next(iter(shown.values())), lambda moment: moment.measure.demand)}
    pods = {name: _line(moments, lambda moment: float(moment.existing)) for name, moments in shown.items()}
    waits = {name: _line(moments, lambda moment: moment.measure.wait_s) for name, moments in shown.items()}
    height = _TOP + 3 * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" role="img">',
        f"<title>{escape(result.trace.name)}: demand, pods and wait under each policy</title>",
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        *_legend(result.trace.name, list(shown)),
        *_linear("demand, requests/s", demand, (start, end), 0),
        *_linear("pods that exist", pods, (start, end), 1),
        *_decades(f"queue: wait, s; a violation above {world.slo_s:g}", waits, (start, end), 2, world.slo_s),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _between(moments: Sequence[Moment], start: float, end: float) -> list[Moment]:
    return [moment for moment in moments if start <= moment.measure.end <= end]


def _line(moments: Sequence[Moment], value: Callable[[Moment], float]) -> Points:
    """The points, or of each group the highest where they are too many: a spike must not be lost."""
    points = [(moment.measure.end, value(moment)) for moment in moments]
    group = math.ceil(len(points) / _MOST_POINTS)
    if group <= 1:
        return points
    return [max(points[at : at + group], key=lambda point: point[1]) for at in range(0, len(points), group)]


def _legend(title: str, names: Sequence[str]) -> Iterator[str]:
    yield f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>'
    left = _LEFT
    for name in names:
        dash = ' stroke-dasharray="6 4"' if name in ("ideal", "bound") else ""
        yield f'<path d="M{left} 40h22" stroke="{_COLOURS[name]}" stroke-width="3"{dash}/>'
        yield f'<text x="{left + 28}" y="44">{escape(name)}</text>'
        left += 52 + 8 * len(name)


def _linear(title: str, lines: dict[str, Points], span: tuple[float, float], row: int) -> Iterator[str]:
    highest = max((value for points in lines.values() for _, value in points), default=1.0) or 1.0
    step = _round_step(highest)
    top = math.ceil(highest / step - 1e-9) * step
    ticks = [(step * at, f"{step * at:,.10g}") for at in range(round(top / step) + 1)]
    yield from _panel(title, lines, span, row, lambda value: value / top, ticks, steps=row == 1)


def _decades(title: str, lines: dict[str, Points], span: tuple[float, float], row: int, slo_s: float) -> Iterator[str]:
    low, high = math.log10(_LEAST_WAIT_S), math.log10(_MOST_WAIT_S)

    def place(value: float) -> float:
        inside = min(max(value, _LEAST_WAIT_S), _MOST_WAIT_S)
        return (math.log10(inside) - low) / (high - low)

    ticks = [(10.0**power, f"{10.0**power:g}") for power in range(round(low), round(high) + 1)]
    yield from _panel(title, lines, span, row, place, ticks)
    yield f'<path class="slo" d="M{_LEFT} {_down(row, place(slo_s)):.1f}h{_WIDTH}"/>'


def _panel(
    title: str, lines: dict[str, Points], span: tuple[float, float], row: int, place: Place,
    ticks: Sequence[tuple[float, str]], steps: bool = False,
) -> Iterator[str]:  # fmt: skip
    yield f'<text class="title" x="{_LEFT}" y="{_down(row, 1) - 8:.0f}">{escape(title)}</text>'
    for value, label in ticks:
        at = _down(row, place(value))
        yield f'<path class="rule" d="M{_LEFT} {at:.1f}h{_WIDTH}"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
    yield from _times(span, row)
    for name, points in lines.items():
        yield f'<path class="line {name}" stroke="{_COLOURS[name]}" d="{_path(points, span, row, place, steps)}"/>'


def _path(points: Points, span: tuple[float, float], row: int, place: Place, steps: bool) -> str:
    """Straight from point to point, or in steps, as pods are there from one moment to the next."""
    places = [(f"{_along(time, span):.1f}", f"{_down(row, place(value)):.1f}") for time, value in points]
    return "".join(
        f"M{x} {y}" if at == 0 else (f"H{x}V{y}" if steps else f"L{x} {y}") for at, (x, y) in enumerate(places)
    )


def _times(span: tuple[float, float], row: int) -> Iterator[str]:
    length = span[1] - span[0]
    unit_s, unit = next((size, name) for least, size, name in _UNITS_S if length >= least)
    step = _round_step(length / unit_s)
    for tick in range(math.ceil(span[0] / unit_s / step), int(span[1] / unit_s / step + 1e-9) + 1):
        at = _along(tick * step * unit_s, span)
        label = f"{tick * step:g}" + (f" {unit}" if at > _LEFT + _WIDTH * 0.9 else "")
        anchor = "end" if at > _LEFT + _WIDTH - _RIGHT else "middle"
        yield f'<text x="{at:.1f}" y="{_down(row, 0) + 18:.0f}" text-anchor="{anchor}">{label}</text>'


def _along(time: float, span: tuple[float, float]) -> float:
    return _LEFT + (time - span[0]) / (span[1] - span[0]) * _WIDTH


def _down(row: int, share: float) -> float:
    return _TOP + row * (_HEIGHT + _GAP) + 18 + (1 - share) * _HEIGHT


def _round_step(highest: float) -> float:
    """1, 2 or 5 times a power of ten, for about five ticks."""
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
