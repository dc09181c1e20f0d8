"""What a run was worth: seconds of violation, pod-seconds, reversals. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoscaler.simulator.model.run import Moment
from autoscaler.simulator.model.trace import Trace
from autoscaler.simulator.model.world import World

_SPIKE = 0.1  # share by which demand must rise and fall again to be a spike: the HPA's tolerance is the same


@dataclass(frozen=True, slots=True)
class Score:
    """`violation_s` seconds in which requests waited too long or were refused; `pod_seconds` of all existing pods.

    `reversals` is how often raising turned into releasing: once for a spike that is met in one go. `peak` is the most
    replicas, `lost` the requests that were refused or served too late.
    """

    violation_s: float
    pod_seconds: float
    reversals: int
    peak: int
    lost: float


def score(moments: Sequence[Moment]) -> Score:
    """Of a whole run."""
    return Score(
        violation_s=round(sum(_length(moment) for moment in moments if moment.measure.violated), 1),
        pod_seconds=round(sum(_length(moment) * moment.existing for moment in moments)),
        reversals=turns(moment.asked for moment in moments),
        peak=max(moment.asked for moment in moments),
        lost=round(sum(moment.measure.lost for moment in moments)),
    )


def turns(replicas: Iterable[int]) -> int:
    """How often a rise is followed by a fall."""
    count, rising, before = 0, False, None
    for asked in replicas:
        if before is not None and asked != before:
            count += rising and asked < before
            rising = asked > before
        before = asked
    return count


def spikes(trace: Trace, world: World) -> int:
    """Peaks of the demand that stand out by a tenth from what is before and after, where the demand needs more than the
    least pods; a rise at the end counts.
    """
    least = world.min_replicas * world.capacity * world.target_utilization
    count, rising, extreme = 0, False, max(least, trace.demand.values[0])
    for raw in trace.demand.values:
        value = max(least, raw)
        if rising:
            extreme = max(extreme, value)
            if value <= extreme * (1 - _SPIKE):
                rising, extreme = False, value
        else:
            extreme = min(extreme, value)
            if value >= extreme * (1 + _SPIKE):
                rising, extreme, count = True, value, count + 1
    return count


def _length(moment: Moment) -> float:
    return moment.measure.end - moment.measure.start
