"""Generate held-out demands. No constant and no algorithm was chosen with them."""

import math
from collections.abc import Callable
from itertools import pairwise

from autoscaler.simulator.model.shapes import shape_trace
from autoscaler.simulator.model.trace import Trace


def pulse(base: float, peak: float) -> Trace:
    """Jump to the peak, then halve every two minutes."""
    fall = [(5.0 * at, base + (peak - base) * 0.5 ** (at / 24)) for at in range(192)]
    return shape_trace("pulse", base, [(0, base), *fall])


def bursts(base: float, peak: float) -> Trace:
    """Repeat a burst of 45 s four times, two minutes apart. Each is over before slow pods are ready."""
    high = 0.7 * peak
    one = ((0, base), (5, high), (45, high), (50, base))
    return shape_trace("bursts", base, [(165.0 * burst + time, value) for burst in range(4) for time, value in one])


def doubling(base: float, peak: float) -> Trace:
    """Double every six minutes up to the peak, then jump back."""
    levels = [base * 2**level for level in range(int(math.log2(peak / base)) + 1)] + [peak]
    stairs = [(360.0 * at, value) for at, pair in enumerate(pairwise(levels)) for value in pair]
    end = 360.0 * (len(levels) - 1)
    return shape_trace("doubling", base, [*stairs, (end, peak), (end, base)])


def downstairs(base: float, peak: float) -> Trace:
    """Rise within 20 s, then fall in four steps, 200 s apart."""
    heights = [peak - (peak - base) * step / 4 for step in range(5)]
    steps = [
        (200.0 * (at + 1) + edge, value)
        for at, pair in enumerate(pairwise(heights))
        for edge, value in zip((0, 2), pair, strict=True)
    ]
    return shape_trace("downstairs", base, [(0, base), (20, peak), *steps])


def swell(base: float, peak: float) -> Trace:
    """Follow a sine, up and down in eight minutes."""
    points = [(4.0 * at, base + (peak - base) * (1 - math.cos(math.pi * at / 60)) / 2) for at in range(121)]
    return shape_trace("swell", base, points)


def exponential(base: float, peak: float) -> Trace:
    """Grow exponentially for five minutes, then jump back."""
    points = [(2.0 * at, base * (peak / base) ** (at / 150)) for at in range(151)]
    return shape_trace("exponential", base, [*points, (300.5, base)])


HELD_OUT: dict[str, Callable[[float, float], Trace]] = {
    shape.__name__: shape for shape in (pulse, bursts, doubling, downstairs, swell, exponential)
}
