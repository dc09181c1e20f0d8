"""Implement policies that know the trace. They show the lowest cost, and the violation that no policy can avoid."""

import math

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.model.traffic import Measurement

# Time until a rise shows in any measurement, as pods measure each second.
VISIBLE_S = 1.0


class Ideal:
    """The policy with foresight.

    Each pod is ready and warm when the target utilization needs it, and is deleted when it does not.
    """

    name = "ideal"
    interval_s = 1.0

    def __init__(self, cluster: ClusterModel, trace: Trace) -> None:
        self._cluster = cluster
        self._demand = trace.demand

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Ignore the measurement, as the trace is known."""

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the replicas that are needed until a pod that is created now serves at full capacity."""
        most = self._pods(self._demand.maximum(now, now + self._horizon_s(self._cluster.max_replicas)))
        return self._pods(self._demand.maximum(now, now + self._horizon_s(most - deployment.existing)))

    def _horizon_s(self, missing: int) -> float:
        cluster = self._cluster
        creation_s = max(0, missing) / cluster.creation_per_s
        return cluster.pod_startup_s + cluster.warmup_s + self.interval_s + creation_s

    def _pods(self, demand: float) -> int:
        return _bounded(self._cluster, demand / (self._cluster.pod_capacity * self._cluster.target_utilization))


class Bound:
    """The lower bound of the violation.

    Once a rise is visible, this policy knows its end and asks for the maximum. With the same reserve before the rise,
    no policy can be faster.
    """

    name = "bound"
    interval_s = 1.0

    def __init__(self, cluster: ClusterModel, trace: Trace) -> None:
        self._cluster = cluster
        self._demand = trace.demand
        self._rises = find_rises(trace.demand)
        self._next = 0
        self._queued = False

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Remember whether requests still wait."""
        self._queued = measurement.queue > 0

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the replicas for the target utilization, or the maximum during a rise that these can't serve."""
        while self._next < len(self._rises) and self._rises[self._next][1] + self._horizon_s < now:
            self._next += 1
        start, _, top = self._rises[self._next] if self._next < len(self._rises) else (math.inf, 0.0, 0.0)
        too_high = top > self._pods(start - VISIBLE_S) * self._cluster.pod_capacity
        if start + VISIBLE_S <= now and (self._queued or too_high):
            return self._cluster.max_replicas
        return max(self._pods(now - VISIBLE_S), deployment.replicas if self._queued else 0)

    def _pods(self, time: float) -> int:
        per_pod = self._cluster.pod_capacity * self._cluster.target_utilization
        return _bounded(self._cluster, self._demand.at(time) / per_pod)

    @property
    def _horizon_s(self) -> float:
        cluster = self._cluster
        return VISIBLE_S + cluster.pod_startup_s + cluster.warmup_s + cluster.max_replicas / cluster.creation_per_s


def find_rises(demand: Curve) -> list[tuple[float, float, float]]:
    """Return (start, end, value at the end) of each rise without a fall in between."""
    rises: list[tuple[float, float, float]] = []
    start = demand.times[0]
    for index in range(1, len(demand.times)):
        value, before = demand.values[index], demand.values[index - 1]
        if value > before:
            if rises and rises[-1][1] == demand.times[index - 1] and rises[-1][2] == before:
                start = rises.pop()[0]
            else:
                start = demand.times[index - 1]
            rises.append((start, demand.times[index], value))
    return rises


def _bounded(cluster: ClusterModel, pods: float) -> int:
    return max(cluster.min_replicas, min(cluster.max_replicas, math.ceil(pods - 1e-9)))
