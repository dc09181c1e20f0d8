"""Generated demands. Pure.

`base` is the demand before and after, `peak` the highest, both in requests/s.
"""

import math
from collections.abc import Callable

from autoscaler.simulator.model.trace import Curve, Trace

QUIET_S = 600.0  # before each shape: policies know the base by then
AFTER_S = 1_800.0  # after it: what is handed back late is counted
_DAY_S = 86_400.0
_VIRAL_S = 240.0  # a million likes in four minutes
_VIRAL_LIKES = 1_000_000.0
_FASTEST_FADE = 3.0  # e-folds: a twentieth is left at the end
_HALVINGS = 40  # to the last digit
_FINE_S = 1.0  # between points of a curved line


def placed(name: str, base: float, points: list[tuple[float, float]], retries: float = 0.0) -> Trace:
    """Points whose times count from the end of the quiet time, with that before them and what comes after."""
    end = points[-1][0]
    drawn = [(0.0, base), *((QUIET_S + time, value) for time, value in points), (QUIET_S + end + AFTER_S, base)]
    return Trace(name, Curve(tuple(time for time, _ in drawn), tuple(value for _, value in drawn)), retries=retries)


def step(base: float, peak: float) -> Trace:
    """Up at once, ten minutes at the peak, down at once."""
    return placed("step", base, [(0, base), (0, peak), (600, peak), (600, base)])


def ramp(base: float, peak: float, rise_s: float = 60.0) -> Trace:
    """Up in a straight line, ten minutes at the peak, down as it came."""
    return placed(f"ramp{rise_s:g}s", base, [(0, base), (rise_s, peak), (rise_s + 600, peak), (2 * rise_s + 600, base)])


def double_spike(base: float, peak: float) -> Trace:
    """Two spikes of two minutes, the second five minutes after the first and higher."""
    first = [(0.0, base), (20.0, peak * 0.6), (120.0, peak * 0.6), (140.0, base)]
    second = [(440.0, base), (460.0, peak), (560.0, peak), (580.0, base)]
    return placed("double_spike", base, first + second)


def sawtooth(base: float, peak: float) -> Trace:
    """Six teeth: four minutes up, down at once, and four minutes of rest."""
    points = [
        (tooth * 480.0 + time, value) for tooth in range(6) for time, value in ((0, base), (240, peak), (240, base))
    ]
    return placed("sawtooth", base, points)


def slow_day(base: float, peak: float) -> Trace:
    """A day: lowest at both ends, highest at noon, a sine between."""
    times = [minute * 60.0 for minute in range(int(_DAY_S // 60) + 1)]
    values = [base + (peak - base) * (1 - math.cos(2 * math.pi * time / _DAY_S)) / 2 for time in times]
    return Trace("slow_day", Curve(tuple(times), tuple(values)))


def retry_storm(base: float, peak: float) -> Trace:
    """Up to half the peak at once for five minutes, while three of five who fail try again, each time."""
    height = 0.5 * peak
    return placed("retry_storm", base, [(0, base), (0, height), (300, height), (300, base)], retries=0.6)


def newsletter(base: float, peak: float) -> Trace:
    """Up within ten seconds as a newsletter goes out, then a fifth less each minute."""
    points = [(10.0 + 5.0 * index, base + (peak - base) * 0.8 ** (index / 12)) for index in range(12 * 20)]
    return placed("newsletter", base, [(0, base), *points])


def staircase(base: float, peak: float) -> Trace:
    """Five steps up, four minutes each, then down at once."""
    heights = [base + (peak - base) * floor / 5 for floor in range(6)]
    points = [(240.0 * floor + edge, height) for floor, height in enumerate(heights) for edge in (0, 240)]
    return placed("staircase", base, [*points, (240.0 * len(heights), base)])


def viral(base: float, peak: float) -> Trace:
    """One post: doubling every 14 s for a minute, then fading; a million likes in 4 minutes.

    The highest is `peak`, or less where the likes would be more even if the post faded fast; where they would be fewer
    even if it did not fade at all, they are fewer.
    """
    moments = [index * _FINE_S for index in range(int(_VIRAL_S / _FINE_S) + 1)]
    fade = _fade(moments, _VIRAL_LIKES / (peak - base)) if peak > base else _FASTEST_FADE
    share = [_viral_rate(moment / _VIRAL_S, fade) for moment in moments]
    scale = min(_VIRAL_LIKES / _area(share), peak - base)
    points = [(moment, base + scale * rate) for moment, rate in zip(moments, share, strict=True)]
    whole = placed("viral", base, [(0.0, base), *points, (_VIRAL_S, base)])
    post = tuple(value - base for value in whole.demand.values)
    return Trace("viral", whole.demand, Curve(whole.demand.times, post))


def _fade(moments: list[float], area_s: float) -> float:
    """How fast it fades, so that the area below a highest of 1 is so many seconds; by halving, as it falls steadily."""
    slow, fast = 0.0, _FASTEST_FADE
    for _ in range(_HALVINGS):
        middle = (slow + fast) / 2
        area = _area([_viral_rate(moment / _VIRAL_S, middle) for moment in moments])
        slow, fast = (middle, fast) if area > area_s else (slow, middle)
    return fast


def _area(values: list[float]) -> float:
    """Below lines through values a point apart."""
    return (sum(values) - (values[0] + values[-1]) / 2) * _FINE_S


def _viral_rate(share: float, fade: float) -> float:
    """The rate after a share of the time: from 0.05 to 1 in a quarter of it, then down `fade` e-folds in the rest."""
    return math.exp(3 * (4 * share - 1)) if share < 0.25 else math.exp(-fade * (share - 0.25) / 0.75)


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
