"""Implement Kubernetes' HorizontalPodAutoscaler v2 on CPU, with its documented algorithm and defaults.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
"""

import math
from dataclasses import dataclass

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.time_series import TimeSeries
from autoscaler.simulator.model.traffic import Measurement

SYNC_S = 15.0
# Share by which usage may differ from its target without a change.
TOLERANCE = 0.1
# Stabilization window of scale-downs. Scale-ups have none.
DOWN_WINDOW_S = 300.0
# In this period pods may at most double or grow by four, whichever is more.
UP_PERIOD_S = 15.0
UP_FACTOR, UP_PODS = 2, 4
# Time over which the metrics server averages one value.
METRIC_WINDOW_S = 15.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The mean `utilization` of the CPU request, as a share, over `counted` pods.

    `unready` pods are left out, and `missing` pods have no metric yet.
    """

    utilization: float
    counted: int
    unready: int = 0
    missing: int = 0


def recommend(current: int, usage: Usage, target: float) -> int:
    """Return the pods for a usage, before stabilization and scaling policies."""
    if usage.counted == 0:
        return current
    ratio = usage.utilization / target
    if usage.missing == 0 and not (usage.unready and ratio > 1):
        return current if abs(1 - ratio) <= TOLERANCE else _ceil(ratio * usage.counted)
    total, pods = ratio * usage.counted, usage.counted + usage.missing
    if ratio < 1:
        # Each missing pod is assumed to use all of its target.
        total += usage.missing
    elif ratio > 1:
        # Unready and missing pods are assumed to use nothing.
        pods += usage.unready
    adjusted = total / pods
    if abs(1 - adjusted) <= TOLERANCE or (ratio < 1) != (adjusted < 1):
        return current
    recommended = _ceil(adjusted * pods)
    return current if (recommended > current) != (adjusted > 1) else recommended


def _ceil(pods: float) -> int:
    return math.ceil(pods - 1e-9)


class Hpa:
    """The controller. `min_replicas` is its `minReplicas`, which another policy may raise."""

    name = "hpa"
    interval_s = SYNC_S

    def __init__(
        self, cluster: ClusterModel, down_window_s: float = DOWN_WINDOW_S, target: float | None = None
    ) -> None:
        self._down_window_s = down_window_s
        self._target = target or cluster.target_utilization
        self.min_replicas = cluster.min_replicas
        self._cluster = cluster
        self._busy = TimeSeries(cluster.hpa_lag_s + METRIC_WINDOW_S + SYNC_S)
        self._recommendations: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Record the CPU usage. It shows the work that is done, not the work that waits."""
        self._busy.add(measurement.end, measurement.utilization)

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the replicas at a sync."""
        current = deployment.replicas
        if current < self.min_replicas:
            # The controller checks the minimum before any metric.
            replicas = self.min_replicas
        else:
            stabilized = self._stabilize(now, current, self._recommend(now, deployment))
            replicas = self._limit(now, current, stabilized)
        if replicas != current:
            self._changes.append((now, replicas - current))
        return replicas

    def _recommend(self, now: float, deployment: Deployment) -> int:
        end = now - self._cluster.hpa_lag_s + METRIC_WINDOW_S / 2
        counted = deployment.ready_pods(end, METRIC_WINDOW_S) if end >= METRIC_WINDOW_S else 0
        ready = deployment.ready_pods(now)
        usage = Usage(
            self._busy.mean(end - METRIC_WINDOW_S, end), counted, deployment.existing - ready, ready - counted
        )
        return recommend(deployment.replicas, usage, self._target)

    def _stabilize(self, now: float, current: int, recommended: int) -> int:
        """Scale up at once, and down only to the highest recommendation of the window."""
        kept = [entry for entry in self._recommendations if entry[0] > now - self._down_window_s]
        self._recommendations = [*kept, (now, recommended)]
        return max(recommended, min(current, max(pods for _, pods in self._recommendations)))

    def _limit(self, now: float, current: int, replicas: int) -> int:
        self._changes = [change for change in self._changes if change[0] > now - UP_PERIOD_S]
        before = current - sum(change for _, change in self._changes)
        most = max(UP_FACTOR * before, before + UP_PODS, current)
        if replicas > current:
            replicas = min(replicas, most)
        return max(self.min_replicas, min(self._cluster.max_replicas, replicas))
