"""Draw panels of lines over the same time axis, one above the other, as SVG. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _WIDTH, _RIGHT = 64, 780, 16
_TOP, _HEIGHT, _GAP = 56, 150, 46
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#6a655c}.title{font-weight:600;fill:#2b2823}"
    ".rule{stroke:#e4dfd6;fill:none}.slo{stroke:#2b2823;stroke-dasharray:3 4;fill:none}"
    ".line{fill:none;stroke-width:1.7;stroke-linejoin:round}"
)
_TICKS = 5
# (shortest span, length of the unit, name of the unit), longest first.
_UNITS_S = ((172_800.0, 86_400.0, "d"), (10_800.0, 3_600.0, "h"), (240.0, 60.0, "min"), (0.0, 1.0, "s"))

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points of (time in s, value)."""

    name: str
    color: str
    points: Points
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one scale.

    The scale is linear from 0, or logarithmic from the first to the second power of ten in `decades`. With `steps` each
    value holds until the next one. `limit` is drawn as a dotted line.
    """

    title: str
    lines: Sequence[Line]
    steps: bool = False
    decades: tuple[int, int] | None = None
    limit: float | None = None


def draw(title: str, text: str, legend: Sequence[Line], panels: Sequence[Panel], span: tuple[float, float]) -> str:
    """Return an SVG of the panels over a span of time, in s. `text` is the alternative text for screen readers."""
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" role="img">',
        f"<title>{escape(text)}</title>",
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        *_draw_legend(title, legend),
        *(part for row, panel in enumerate(panels) for part in _draw_panel(panel, span, row)),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _draw_legend(title: str, lines: Sequence[Line]) -> Iterator[str]:
    yield f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>'
    left = _LEFT
    for line in lines:
        yield f'<path d="M{left} 40h22" stroke="{line.color}" stroke-width="3"{_dash(line)}/>'
        yield f'<text x="{left + 28}" y="44">{escape(line.name)}</text>'
        left += 52 + 8 * len(line.name)


def _dash(line: Line) -> str:
    return ' stroke-dasharray="6 4"' if line.dashed else ""


def _draw_panel(panel: Panel, span: tuple[float, float], row: int) -> Iterator[str]:
    scale, ticks = _logarithmic(*panel.decades) if panel.decades else _linear(panel.lines)
    yield f'<text class="title" x="{_LEFT}" y="{_y(row, 1) - 8:.0f}">{escape(panel.title)}</text>'
    for value, label in ticks:
        at = _y(row, scale(value))
        yield f'<path class="rule" d="M{_LEFT} {at:.1f}h{_WIDTH}"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
    yield from _draw_times(span, row)
    for line in panel.lines:
        path = _path(line.points, span, row, scale, panel.steps)
        yield f'<path class="line {escape(line.name)}" stroke="{line.color}"{_dash(line)} d="{path}"/>'
    if panel.limit is not None:
        yield f'<path class="slo" d="M{_LEFT} {_y(row, scale(panel.limit)):.1f}h{_WIDTH}"/>'


# Maps a value to a share of the height, and lists the ticks as (value, label).
Scale = tuple[Callable[[float], float], Sequence[tuple[float, str]]]


def _linear(lines: Sequence[Line]) -> Scale:
    highest = max((value for line in lines for _, value in line.points), default=1.0) or 1.0
    step = _round_step(highest)
    top = math.ceil(highest / step - 1e-9) * step
    return lambda value: value / top, [(step * at, f"{step * at:,.10g}") for at in range(round(top / step) + 1)]


def _logarithmic(low: int, high: int) -> Scale:
    def scale(value: float) -> float:
        inside = min(max(value, 10.0**low), 10.0**high)
        return (math.log10(inside) - low) / (high - low)

    return scale, [(10.0**power, f"{10.0**power:,.10g}") for power in range(low, high + 1)]


def _path(points: Points, span: tuple[float, float], row: int, scale: Callable[[float], float], steps: bool) -> str:
    """Return an SVG path, straight from point to point or in steps."""
    points_px = [(f"{_x(time, span):.1f}", f"{_y(row, scale(value)):.1f}") for time, value in points]
    return "".join(
        f"M{x} {y}" if at == 0 else (f"H{x}V{y}" if steps else f"L{x} {y}") for at, (x, y) in enumerate(points_px)
    )


def _draw_times(span: tuple[float, float], row: int) -> Iterator[str]:
    length = span[1] - span[0]
    unit_s, unit = next((size, name) for shortest, size, name in _UNITS_S if length >= shortest)
    step = _round_step(length / unit_s)
    for tick in range(math.ceil(span[0] / unit_s / step), int(span[1] / unit_s / step + 1e-9) + 1):
        at = _x(tick * step * unit_s, span)
        label = f"{tick * step:g}" + (f" {unit}" if at > _LEFT + _WIDTH * 0.9 else "")
        anchor = "end" if at > _LEFT + _WIDTH - _RIGHT else "middle"
        yield f'<text x="{at:.1f}" y="{_y(row, 0) + 18:.0f}" text-anchor="{anchor}">{label}</text>'


def _x(time: float, span: tuple[float, float]) -> float:
    return _LEFT + (time - span[0]) / (span[1] - span[0]) * _WIDTH


def _y(row: int, share: float) -> float:
    return _TOP + row * (_HEIGHT + _GAP) + 18 + (1 - share) * _HEIGHT


def _round_step(highest: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for about five ticks."""
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
