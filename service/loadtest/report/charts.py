"""Render line charts as SVG, in the colors of the page around them. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 12, 30
_TICKS = 5
# More labels do not fit on an axis of percentiles.
_MAX_NINES = 5
# An axis with more rules has one for each decade only.
_MAX_RULES = 8

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its legend. It is interrupted where y is None. `style` is the CSS class of its color."""

    name: str
    style: str
    points: Points


@dataclass(frozen=True, slots=True)
class Axis:
    """A map from a value to a share of the chart's width or height, and the ticks with their labels."""

    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def linear_axis(highest: float, label: Callable[[float], str]) -> Axis:
    """Return an axis from 0 to a round number that is not below `highest`."""
    highest = highest or 1.0
    step = _round_step(highest)
    top = max(step, math.ceil(highest / step - 1e-9) * step)
    ticks = [(at * step, label(at * step)) for at in range(round(top / step) + 1)]
    return Axis(lambda value: value / top, ticks)


def exact_axis(end: float, label: Callable[[float], str]) -> Axis:
    """Return an axis from 0 to exactly `end`, with round ticks."""
    step = _round_step(end)
    ticks = [(at * step, label(at * step)) for at in range(int(end / step + 1e-9) + 1)]
    return Axis(lambda value: value / end, ticks)


def log_axis(lowest: float, highest: float, label: Callable[[float], str]) -> Axis:
    """Return a logarithmic axis that holds both values, which must be above 0. Its ends are 1 or 3 of a decade."""
    first, last = math.floor(2 * math.log10(lowest)), math.ceil(2 * math.log10(highest) - 1e-9)
    last = max(last, first + 2)
    values = [(half, (3 if half % 2 else 1) * 10.0 ** (half // 2)) for half in range(first, last + 1)]
    if len(values) > _MAX_RULES:
        values = [(half, value) for half, value in values if half % 2 == 0]
    return Axis(
        lambda value: (2 * math.log10(max(value, 1e-9)) - first) / (last - first),
        [(value, label(value)) for _, value in values],
    )


def percentile_axis(finest: float) -> Axis:
    """Return an axis on which 90 %, 99 %, 99.9 % and so on have equal distances. `finest`: the number of values."""
    end = max(1.0, math.log10(max(finest, 1)))
    shares = [0.5, *(round(1 - 10.0**-power, 9) for power in range(1, min(_MAX_NINES, int(end + 1e-9)) + 1))]
    return Axis(
        lambda share: min(1.0, -math.log10(max(1 - share, 1 / max(finest, 10))) / end),
        # Only the first label has a unit, because a phone is narrow.
        [(share, f"{100 * share:.9g}" + " %" * (share == 0.5)) for share in shares],
    )


def render_chart(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """Render a figure: title, legend and chart."""
    legend = "".join(f'<span class="key {line.style}">{escape(line.name)}</span>' for line in lines)
    drawn = "".join(f'<path class="line {line.style}" d="{_path(line.points, x, y)}"/>' for line in lines)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><div class="legend">{legend}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(_rules(x, y))}{drawn}</svg></figure>"
    )


def _rules(x: Axis, y: Axis) -> Iterable[str]:
    for value, label in y.ticks:
        at = _y_of(y.place(value))
        yield f'<path class="rule" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    for value, label in x.ticks:
        at = _x_of(x.place(value))
        # The last label must not leave the chart.
        anchor = "end" if at > _WIDTH - _RIGHT - 16 else "middle"
        yield f'<text x="{at:.1f}" y="{_HEIGHT - 9}" text-anchor="{anchor}">{escape(label)}</text>'


def _path(points: Points, x: Axis, y: Axis) -> str:
    # A point between two interruptions becomes a line of no length. Its round ends make it a dot.
    steps: list[str] = []
    drawing = False
    for across, up in points:
        if up is not None:
            where = f"{_x_of(x.place(across)):.1f} {_y_of(y.place(up)):.1f}"
            steps.append(f"L{where}" if drawing else f"M{where}L{where}")
        drawing = up is not None
    return "".join(steps)


def _x_of(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y_of(share: float) -> float:
    return _HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (_HEIGHT - _TOP - _BOTTOM)


def _round_step(highest: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for about five ticks."""
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
