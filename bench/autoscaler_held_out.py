"""Demands by which nothing was chosen or changed: what the policy is worth on what it was not made for."""

import math
from collections.abc import Callable
from itertools import pairwise

from autoscaler.simulator.model.shapes import placed
from autoscaler.simulator.model.trace import Trace


def pulse(base: float, peak: float) -> Trace:
    """Up at once, then down by half each two minutes."""
    fall = [(5.0 * at, base + (peak - base) * 0.5 ** (at / 24)) for at in range(192)]
    return placed("pulse", base, [(0, base), *fall])


def bursts(base: float, peak: float) -> Trace:
    """Four of 45 s, two minutes apart: over before slow pods are ready."""
    high = 0.7 * peak
    one = ((0, base), (5, high), (45, high), (50, base))
    return placed("bursts", base, [(165.0 * burst + time, value) for burst in range(4) for time, value in one])


def doubling(base: float, peak: float) -> Trace:
    """Stairs of six minutes, each twice as high as the one before; then down at once."""
    floors = [base * 2**floor for floor in range(int(math.log2(peak / base)) + 1)] + [peak]
    stairs = [(360.0 * at, value) for at, pair in enumerate(pairwise(floors)) for value in pair]
    end = 360.0 * (len(floors) - 1)
    return placed("doubling", base, [*stairs, (end, peak), (end, base)])


def downstairs(base: float, peak: float) -> Trace:
    """Up within 20 s, then down by four steps, 200 s apart."""
    heights = [peak - (peak - base) * step / 4 for step in range(5)]
    steps = [
        (200.0 * (at + 1) + edge, value)
        for at, pair in enumerate(pairwise(heights))
        for edge, value in zip((0, 2), pair, strict=True)
    ]
    return placed("downstairs", base, [(0, base), (20, peak), *steps])


def swell(base: float, peak: float) -> Trace:
    """Up and down in eight minutes, a sine."""
    points = [(4.0 * at, base + (peak - base) * (1 - math.cos(math.pi * at / 60)) / 2) for at in range(121)]
    return placed("swell", base, points)


def exponential(base: float, peak: float) -> Trace:
    """By the same share each second for five minutes, then down at once."""
    points = [(2.0 * at, base * (peak / base) ** (at / 150)) for at in range(151)]
    return placed("exponential", base, [*points, (300.5, base)])


HELD_OUT: dict[str, Callable[[float, float], Trace]] = {
    shape.__name__: shape for shape in (pulse, bursts, doubling, downstairs, swell, exponential)
}
