"""Generate demands of typical shapes. Pure.

`base` is the demand before and after the shape, `peak` its highest demand. Both are in requests/s.
"""

import math
from collections.abc import Callable

from autoscaler.simulator.model.trace import Curve, Trace

# Time before each shape, in which policies learn the base.
QUIET_S = 600.0
# Time after it, so that a late scale-down shows in the cost.
AFTER_S = 1_800.0
_DAY_S = 86_400.0
# A million likes in four minutes.
_VIRAL_S = 240.0
_VIRAL_LIKES = 1_000_000.0
# The fastest decline, in e-folds: a twentieth of the peak is left at the end.
_MAX_DECLINE = 3.0
# Bisection steps, enough for all digits of a float that matter.
_BISECTIONS = 40
# Distance between the points of a curved line.
_FINE_S = 1.0


def shape_trace(name: str, base: float, points: list[tuple[float, float]], retry_share: float = 0.0) -> Trace:
    """Return the trace of a shape, with the base demand before and after it.

    The times of the points count from the end of the quiet time before the shape.
    """
    end = points[-1][0]
    all_points = [(0.0, base), *((QUIET_S + time, value) for time, value in points), (QUIET_S + end + AFTER_S, base)]
    demand = Curve(tuple(time for time, _ in all_points), tuple(value for _, value in all_points))
    return Trace(name, demand, retry_share=retry_share)


def step(base: float, peak: float) -> Trace:
    """Jump to the peak, stay there for ten minutes, and jump back."""
    return shape_trace("step", base, [(0, base), (0, peak), (600, peak), (600, base)])


def ramp(base: float, peak: float, rise_s: float = 60.0) -> Trace:
    """Rise linearly to the peak, stay there for ten minutes, and fall as slowly."""
    return shape_trace(
        f"ramp{rise_s:g}s", base, [(0, base), (rise_s, peak), (rise_s + 600, peak), (2 * rise_s + 600, base)]
    )


def double_spike(base: float, peak: float) -> Trace:
    """Rise to two spikes of two minutes. The second is higher, and five minutes after the first."""
    first = [(0.0, base), (20.0, peak * 0.6), (120.0, peak * 0.6), (140.0, base)]
    second = [(440.0, base), (460.0, peak), (560.0, peak), (580.0, base)]
    return shape_trace("double_spike", base, first + second)


def sawtooth(base: float, peak: float) -> Trace:
    """Repeat six times: rise for four minutes, jump back, and rest for four minutes."""
    points = [
        (tooth * 480.0 + time, value) for tooth in range(6) for time, value in ((0, base), (240, peak), (240, base))
    ]
    return shape_trace("sawtooth", base, points)


def slow_day(base: float, peak: float) -> Trace:
    """Follow a sine over one day. The demand is lowest at both ends and highest at noon."""
    times = [minute * 60.0 for minute in range(int(_DAY_S // 60) + 1)]
    values = [base + (peak - base) * (1 - math.cos(2 * math.pi * time / _DAY_S)) / 2 for time in times]
    return Trace("slow_day", Curve(tuple(times), tuple(values)))


def retry_storm(base: float, peak: float) -> Trace:
    """Jump to half the peak for five minutes. Of the failed requests, 60 % are retried each time."""
    height = 0.5 * peak
    return shape_trace("retry_storm", base, [(0, base), (0, height), (300, height), (300, base)], retry_share=0.6)


def newsletter(base: float, peak: float) -> Trace:
    """Rise within ten seconds, as after a newsletter, then fall by a fifth each minute."""
    points = [(10.0 + 5.0 * index, base + (peak - base) * 0.8 ** (index / 12)) for index in range(12 * 20)]
    return shape_trace("newsletter", base, [(0, base), *points])


def staircase(base: float, peak: float) -> Trace:
    """Rise in five steps of four minutes, then jump back."""
    heights = [base + (peak - base) * level / 5 for level in range(6)]
    points = [(240.0 * level + edge, height) for level, height in enumerate(heights) for edge in (0, 240)]
    return shape_trace("staircase", base, [*points, (240.0 * len(heights), base)])


def viral(base: float, peak: float) -> Trace:
    """Follow one post: it doubles every 14 s for a minute, then declines, with a million likes in four minutes.

    The highest demand is `peak`. It is lower where even the fastest decline would give more than a million likes. The
    likes are fewer where even no decline would give fewer.
    """
    times = [index * _FINE_S for index in range(int(_VIRAL_S / _FINE_S) + 1)]
    decline = _decline(times, _VIRAL_LIKES / (peak - base)) if peak > base else _MAX_DECLINE
    share = [_viral_rate(time / _VIRAL_S, decline) for time in times]
    scale = min(_VIRAL_LIKES / _area(share), peak - base)
    points = [(time, base + scale * rate) for time, rate in zip(times, share, strict=True)]
    trace = shape_trace("viral", base, [(0.0, base), *points, (_VIRAL_S, base)])
    post = tuple(value - base for value in trace.demand.values)
    return Trace("viral", trace.demand, Curve(trace.demand.times, post))


def _decline(times: list[float], area_s: float) -> float:
    """Return the decline in e-folds that gives a curve with a maximum of 1 an area of `area_s`.

    It is found by bisection, as the area falls steadily with the decline.
    """
    slow, fast = 0.0, _MAX_DECLINE
    for _ in range(_BISECTIONS):
        middle = (slow + fast) / 2
        area = _area([_viral_rate(time / _VIRAL_S, middle) for time in times])
        slow, fast = (middle, fast) if area > area_s else (slow, middle)
    return fast


def _area(values: list[float]) -> float:
    """Return the area below the lines through equidistant values."""
    return (sum(values) - (values[0] + values[-1]) / 2) * _FINE_S


def _viral_rate(share: float, decline: float) -> float:
    """Return the rate after a share of the time.

    It rises from 0.05 to 1 in the first quarter, then falls by `decline` e-folds.
    """
    return math.exp(3 * (4 * share - 1)) if share < 0.25 else math.exp(-decline * (share - 0.25) / 0.75)


SHAPES: dict[str, Callable[[float, float], Trace]] = {
    "step": step,
    "ramp60s": ramp,
    "ramp180s": lambda base, peak: ramp(base, peak, 180.0),
    "viral": viral,
    "double_spike": double_spike,
    "retry_storm": retry_storm,
    "slow_day": slow_day,
    "sawtooth": sawtooth,
    "newsletter": newsletter,
    "staircase": staircase,
}
