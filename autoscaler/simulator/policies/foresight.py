"""Policies that know the trace: what pods would cost at best, and the violation that no policy can avoid."""

import math

from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World

VISIBLE_S = 1.0  # until a rise can be seen by anyone: pods measure each second


class Ideal:
    """Foresight: each pod is ready and warm when it is needed for the target utilisation, and goes when it is not."""

    name = "ideal"
    interval_s = 1.0

    def __init__(self, world: World, trace: Trace) -> None:
        self._world = world
        self._demand = trace.demand

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """It need not look."""

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas for the time from now until a pod that is made now serves in full."""
        world = self._world
        most = self._pods(self._demand.most(now, now + self._lead(world.max_replicas)))
        return self._pods(self._demand.most(now, now + self._lead(most - deployment.existing)))

    def _lead(self, missing: int) -> float:
        world = self._world
        return world.start_s + world.warmup_s + self.interval_s + max(0, missing) / world.creation_per_s

    def _pods(self, demand: float) -> int:
        return _within(self._world, demand / (self._world.capacity * self._world.target_utilization))


class Bound:
    """Once a rise is visible its end is known, and all pods there may be are asked for: with the same reserve before
    the rise, no policy can be sooner.
    """

    name = "bound"
    interval_s = 1.0

    def __init__(self, world: World, trace: Trace) -> None:
        self._world = world
        self._demand = trace.demand
        self._climbs = climbs(trace.demand)
        self._next = 0
        self._waiting = False

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """Whether requests still wait."""
        self._waiting = measure.queue > 0

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas for now at the target utilisation, or all while a rise is on that those can't serve."""
        while self._next < len(self._climbs) and self._climbs[self._next][1] + self._lead_s < now:
            self._next += 1
        start, _, top = self._climbs[self._next] if self._next < len(self._climbs) else (math.inf, 0.0, 0.0)
        if start + VISIBLE_S <= now and (self._waiting or top > self._pods(start - VISIBLE_S) * self._world.capacity):
            return self._world.max_replicas
        return max(self._pods(now - VISIBLE_S), deployment.asked if self._waiting else 0)

    def _pods(self, time: float) -> int:
        return _within(self._world, self._demand.at(time) / (self._world.capacity * self._world.target_utilization))

    @property
    def _lead_s(self) -> float:
        world = self._world
        return VISIBLE_S + world.start_s + world.warmup_s + world.max_replicas / world.creation_per_s


def climbs(demand: Curve) -> list[tuple[float, float, float]]:
    """Each rise without a fall between: its start, its end, the value at its end."""
    found: list[tuple[float, float, float]] = []
    start = demand.times[0]
    for index in range(1, len(demand.times)):
        value, before = demand.values[index], demand.values[index - 1]
        if value > before:
            if found and found[-1][1] == demand.times[index - 1] and found[-1][2] == before:
                start = found.pop()[0]
            else:
                start = demand.times[index - 1]
            found.append((start, demand.times[index], value))
    return found


def _within(world: World, pods: float) -> int:
    return max(world.min_replicas, min(world.max_replicas, math.ceil(pods - 1e-9)))
