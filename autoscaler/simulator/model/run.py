"""The simulation: steps of a second, longer ones while nothing happens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.trace import Trace
from autoscaler.simulator.model.traffic import Measure, Traffic
from autoscaler.simulator.model.world import World

_STEP_S = 1.0
_LONG_STEPS_S = (15.0, 8.0, 4.0, 2.0)  # a sync of the HPA at most
_CALM_CHANGE = 0.02  # share by which the demand may move in a long step
_CALM_UTILISATION = 0.9  # from here on a second may make a queue
_CALM_SLACK = 0.85  # share of the target below which pods are handed back: every look of a policy counts then
_PROGRESS_S = 3_600.0  # of simulated time between two reports
_ALIKE_S = 400.0  # age from which pods are the same to every policy: the HPA's lag and window are below


class Policy(Protocol):
    """Says how many replicas to ask for, every `interval_s`."""

    name: str
    interval_s: float

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """Be told of each step."""

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas from now on."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step, with the pods after it: asked for, existing, ready."""

    measure: Measure
    asked: int
    existing: int
    ready: int


def run(
    trace: Trace, policy: Policy, world: World, progress: Callable[[float], object] = lambda _: None
) -> list[Moment]:
    """All moments of the trace under a policy; `progress` hears the share that is done."""
    return list(_moments(trace, policy, world, progress))


def _moments(trace: Trace, policy: Policy, world: World, progress: Callable[[float], object]) -> Iterator[Moment]:
    deployment, traffic = Deployment(world, _at_first(trace, world)), Traffic(world, trace.retries)
    now, next_ask, told, calm = 0.0, 0.0, 0.0, False
    while now < trace.seconds - 1e-6:
        end = now + _stride(trace, now, calm, next_ask)
        asked = deployment.asked
        measure = _step(trace, traffic, deployment, now, end)
        policy.see(measure, deployment)
        if end >= next_ask:
            deployment.ask(policy.ask(end, deployment))
            next_ask = max(next_ask + policy.interval_s, end)
        calm = asked == deployment.asked and _calm(trace, measure, traffic, deployment)
        yield Moment(measure, deployment.asked, deployment.existing, deployment.ready(end))
        now = end
        if now - told >= _PROGRESS_S:
            told = now
            progress(now / trace.seconds)


def _step(trace: Trace, traffic: Traffic, deployment: Deployment, start: float, end: float) -> Measure:
    deployment.advance(end, end - start)
    deployment.merge(end, _ALIKE_S)
    middle = (start + end) / 2
    post = trace.post.at(middle) if trace.post else 0.0
    return traffic.step(start, end, trace.demand.at(middle), post, deployment.ready(end), deployment.capacity(end))


def _at_first(trace: Trace, world: World) -> int:
    """As many pods as the first demand needs."""
    needed = -(-trace.demand.values[0] // (world.capacity * world.target_utilization))
    return max(world.min_replicas, min(world.max_replicas, int(needed)))


def _calm(trace: Trace, measure: Measure, traffic: Traffic, deployment: Deployment) -> bool:
    """Whether nothing happens and nothing is due: no jump, no queue, neither too few pods nor too many."""
    world = deployment.world
    jumps = abs(trace.demand.at(measure.end) - measure.demand) > _CALM_CHANGE * measure.demand
    enough = measure.utilization < _CALM_UTILISATION
    few = measure.utilization >= _CALM_SLACK * world.target_utilization or deployment.asked == world.min_replicas
    return traffic.idle and not jumps and enough and few and deployment.settled(measure.end)


def _stride(trace: Trace, now: float, calm: bool, next_ask: float) -> float:
    """Up to the next point of the trace at most, and in a longer step up to the next sync of a slow policy."""
    left = min(trace.demand.after(now), trace.seconds) - now
    if calm:
        here = trace.demand.at(now)
        for stride in _LONG_STEPS_S:
            late = next_ask - now >= _STEP_S and now + stride > next_ask + _STEP_S / 2
            if stride <= left and not late and abs(trace.demand.at(now + stride) - here) <= _CALM_CHANGE * here:
                return stride
    return min(_STEP_S, left)
