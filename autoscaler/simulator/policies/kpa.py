"""Implement Knative's pod autoscaler (KPA) on concurrency, with its documented algorithm and defaults.

https://knative.dev/docs/serving/autoscaling/ and knative/serving, docs/scaling and config-autoscaler.
"""

import math
from dataclasses import dataclass

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.time_series import TimeSeries
from autoscaler.simulator.model.traffic import Measurement

TICK_S = 2.0
STABLE_S = 60.0
PANIC_S = 6.0
# Panic mode starts at this many times the ready pods.
PANIC_THRESHOLD = 2.0
UP_FACTOR = 1_000.0
DOWN_FACTOR = 2.0
# Concurrent requests of a busy pod. Only the ratio to the target matters.
CONCURRENCY = 10.0


@dataclass(frozen=True, slots=True)
class PanicMode:
    """The time at which the threshold was last exceeded, None in stable mode, and the most pods since then."""

    since: float | None = None
    max_pods: int = 0


def desired_scale(
    ready: int, stable: float, panic: float, target: float, mode: PanicMode, now: float
) -> tuple[int, PanicMode]:
    """Return the pods for the mean concurrency of both windows, and the mode after this tick."""
    pods = max(1, ready)
    lowest, highest = math.floor(pods / DOWN_FACTOR), math.ceil(pods * UP_FACTOR)
    urgent = math.ceil(panic / target - 1e-9)
    in_stable = min(max(math.ceil(stable / target - 1e-9), lowest), highest)
    in_panic = min(max(urgent, lowest), highest)
    if urgent / pods >= PANIC_THRESHOLD:
        mode = PanicMode(now, mode.max_pods)
    elif mode.since is not None and mode.since + STABLE_S < now:
        mode = PanicMode()
    if mode.since is None:
        return in_stable, mode
    max_pods = max(in_stable, in_panic, mode.max_pods)
    return max_pods, PanicMode(mode.since, max_pods)


class Kpa:
    """The autoscaler without scaling to zero, and without the activator's queue in front of the pods."""

    name = "kpa"
    interval_s = TICK_S

    def __init__(self, cluster: ClusterModel) -> None:
        self._cluster = cluster
        self._mode = PanicMode()
        self._concurrency = TimeSeries(2 * STABLE_S)

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Record the requests that are served and those that wait in the pods."""
        served = measurement.served / self._cluster.pod_capacity * CONCURRENCY
        self._concurrency.add(measurement.end, served + measurement.queue)

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the replicas at a tick."""
        stable = self._concurrency.mean(now - STABLE_S, now)
        panic = self._concurrency.mean(now - PANIC_S, now)
        target = CONCURRENCY * self._cluster.target_utilization
        pods, self._mode = desired_scale(deployment.ready_pods(now), stable, panic, target, self._mode, now)
        return max(self._cluster.min_replicas, min(self._cluster.max_replicas, pods))
