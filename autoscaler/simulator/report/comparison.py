"""Run all policies on one trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.simulation import Policy, Step, simulate
from autoscaler.simulator.model.trace import Trace
from autoscaler.simulator.policies.foresight import Bound, Ideal
from autoscaler.simulator.policies.hpa import Hpa
from autoscaler.simulator.policies.kpa import Kpa
from autoscaler.simulator.policies.likewise import Likewise, LikewiseWithChartHpa, LikewiseWithHpa
from autoscaler.simulator.report.score import Score, count_spikes, score_run

POLICIES: Mapping[str, Callable[[ClusterModel, Trace, Tuning], Policy]] = {
    "ideal": lambda cluster, trace, _: Ideal(cluster, trace),
    "bound": lambda cluster, trace, _: Bound(cluster, trace),
    "hpa": lambda cluster, _, __: Hpa(cluster),
    "kpa": lambda cluster, _, __: Kpa(cluster),
    "likewise": lambda cluster, _, tuning: Likewise(cluster, tuning),
    "likewise+hpa": lambda cluster, _, tuning: LikewiseWithHpa(cluster, tuning),
    "likewise+hpa30": lambda cluster, _, tuning: LikewiseWithChartHpa(cluster, tuning),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A trace, the number of its spikes, and the score and the steps of each policy."""

    trace: Trace
    spikes: int
    scores: Mapping[str, Score]
    steps: Mapping[str, Sequence[Step]]


def compare(
    trace: Trace,
    cluster: ClusterModel,
    tuning: Tuning,
    policies: Sequence[str] = tuple(POLICIES),
    progress: Callable[[str, float], object] = lambda *_: None,
) -> Comparison:
    """Run the named policies in turn. `progress` receives a policy's name and the completed share of the trace."""
    steps: dict[str, Sequence[Step]] = {}
    for name in policies:
        steps[name] = simulate(trace, POLICIES[name](cluster, trace, tuning), cluster, _progress_of(name, progress))
        progress(name, 1.0)
    scores = {name: score_run(run) for name, run in steps.items()}
    return Comparison(trace, count_spikes(trace, cluster), scores, steps)


def _progress_of(name: str, progress: Callable[[str, float], object]) -> Callable[[float], object]:
    return lambda share: progress(name, share)
