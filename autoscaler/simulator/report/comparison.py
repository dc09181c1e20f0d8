"""All policies on one trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.run import Moment, Policy, run
from autoscaler.simulator.model.trace import Trace
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.foresight import Bound, Ideal
from autoscaler.simulator.policies.hpa import Hpa
from autoscaler.simulator.policies.kpa import Kpa
from autoscaler.simulator.policies.likewise import Likewise, LikewiseWithHpa, LikewiseWithQuickHpa
from autoscaler.simulator.report.score import Score, score, spikes

POLICIES: Mapping[str, Callable[[World, Trace, Tuning], Policy]] = {
    "ideal": lambda world, trace, _: Ideal(world, trace),
    "bound": lambda world, trace, _: Bound(world, trace),
    "hpa": lambda world, _, __: Hpa(world),
    "kpa": lambda world, _, __: Kpa(world),
    "likewise": lambda world, _, tuning: Likewise(world, tuning),
    "likewise+hpa": lambda world, _, tuning: LikewiseWithHpa(world, tuning),
    "likewise+hpa30": lambda world, _, tuning: LikewiseWithQuickHpa(world, tuning),
}


@dataclass(frozen=True, slots=True)
class Result:
    """A trace, its spikes, and what each policy came to; `moments` of each, for a plot."""

    trace: Trace
    spikes: int
    scores: Mapping[str, Score]
    moments: Mapping[str, Sequence[Moment]]


def contest(
    trace: Trace,
    world: World,
    tuning: Tuning,
    policies: Sequence[str] = tuple(POLICIES),
    progress: Callable[[str, float], object] = lambda *_: None,
) -> Result:
    """Run the named policies in turn; `progress` hears a policy's name and the share of the trace that is done."""
    moments: dict[str, Sequence[Moment]] = {}
    for name in policies:
        moments[name] = run(trace, POLICIES[name](world, trace, tuning), world, _told(progress, name))
        progress(name, 1.0)
    return Result(trace, spikes(trace, world), {name: score(found) for name, found in moments.items()}, moments)


def _told(progress: Callable[[str, float], object], name: str) -> Callable[[float], object]:
    return lambda share: progress(name, share)
