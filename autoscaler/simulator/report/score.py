"""Score a run by its violations, pod-seconds and reversals. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.simulation import Step
from autoscaler.simulator.model.trace import Trace

# A spike rises and falls by at least this share. It equals the HPA's tolerance.
_SPIKE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a run.

    `violation_s` is the time in which requests waited too long or were refused. `pod_seconds` counts all existing pods.
    `reversals` counts the scale-ups that were followed by a scale-down; a spike needs at least one. `peak` is the
    highest number of replicas. `lost` requests were refused, or served too late.
    """

    violation_s: float
    pod_seconds: float
    reversals: int
    peak: int
    lost: float


def score_run(steps: Sequence[Step]) -> Score:
    """Return the score of a whole run."""
    return Score(
        violation_s=round(sum(step.duration_s for step in steps if step.measurement.violated), 1),
        pod_seconds=round(sum(step.duration_s * step.existing for step in steps)),
        reversals=count_reversals(step.replicas for step in steps),
        peak=max(step.replicas for step in steps),
        lost=round(sum(step.measurement.lost for step in steps)),
    )


def count_reversals(replicas: Iterable[int]) -> int:
    """Count the rises that are followed by a fall."""
    count, rising, before = 0, False, None
    for number in replicas:
        if before is not None and number != before:
            count += rising and number < before
            rising = number > before
        before = number
    return count


def count_spikes(trace: Trace, cluster: ClusterModel) -> int:
    """Count the peaks that exceed the demand before and after them by a tenth.

    Demand that the minimum number of pods can serve is ignored. A rise at the end counts.
    """
    least = cluster.min_replicas * cluster.pod_capacity * cluster.target_utilization
    count, rising, extreme = 0, False, max(least, trace.demand.values[0])
    for demand in trace.demand.values:
        value = max(least, demand)
        if rising:
            extreme = max(extreme, value)
            if value <= extreme * (1 - _SPIKE_SHARE):
                rising, extreme = False, value
        else:
            extreme = min(extreme, value)
            if value >= extreme * (1 + _SPIKE_SHARE):
                rising, extreme, count = True, value, count + 1
    return count
