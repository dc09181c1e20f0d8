"""Kubernetes' HorizontalPodAutoscaler v2 on CPU, with its documented algorithm and defaults.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
"""

import math
from dataclasses import dataclass

from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.series import Series
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World

SYNC_S = 15.0
TOLERANCE = 0.1  # share by which usage may be off its target without a change
DOWN_WINDOW_S = 300.0  # of which the highest recommendation counts on the way down; on the way up there is none
UP_PERIOD_S = 15.0  # in which pods may at most double, or grow by four, whichever is more
UP_FACTOR, UP_PODS = 2, 4
METRIC_WINDOW_S = 15.0  # what one figure of the metrics server is averaged over


@dataclass(frozen=True, slots=True)
class Usage:
    """`utilisation` of the CPU request, a share of 1, over `counted` pods; `unready` ones are ignored, `missing` ones
    have no figure yet.
    """

    utilization: float
    counted: int
    unready: int = 0
    missing: int = 0


def recommended(current: int, usage: Usage, target: float) -> int:
    """Pods for a usage, before stabilisation and policies."""
    if usage.counted == 0:
        return current
    ratio = usage.utilization / target
    if usage.missing == 0 and not (usage.unready and ratio > 1):
        return current if abs(1 - ratio) <= TOLERANCE else _ceil(ratio * usage.counted)
    total, pods = ratio * usage.counted, usage.counted + usage.missing
    if ratio < 1:
        total += usage.missing  # each taken to use all of its target
    elif ratio > 1:
        pods += usage.unready  # these and the missing are taken to use nothing
    adjusted = total / pods
    if abs(1 - adjusted) <= TOLERANCE or (ratio < 1) != (adjusted < 1):
        return current
    found = _ceil(adjusted * pods)
    return current if (found > current) != (adjusted > 1) else found


def _ceil(pods: float) -> int:
    return math.ceil(pods - 1e-9)


class Hpa:
    """The controller. `floor` is its `minReplicas`, which another may raise; `target` is the world's unless given."""

    name = "hpa"
    interval_s = SYNC_S

    def __init__(self, world: World, down_window_s: float = DOWN_WINDOW_S, target: float | None = None) -> None:
        self._down_window_s = down_window_s
        self._target = target or world.target_utilization
        self.floor = world.min_replicas
        self._world = world
        self._busy = Series(world.hpa_lag_s + METRIC_WINDOW_S + SYNC_S)
        self._recommendations: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """CPU shows what is done, at most all of it."""
        self._busy.add(measure.end, measure.utilization)

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas at a sync."""
        current = deployment.asked
        if current < self.floor:
            found = self.floor  # before any metric is looked at
        else:
            found = self._bounded(now, current, self._stabilised(now, current, self._recommended(now, deployment)))
        if found != current:
            self._changes.append((now, found - current))
        return found

    def _recommended(self, now: float, deployment: Deployment) -> int:
        end = now - self._world.hpa_lag_s + METRIC_WINDOW_S / 2
        counted = deployment.ready(end, METRIC_WINDOW_S) if end >= METRIC_WINDOW_S else 0
        ready = deployment.ready(now)
        usage = Usage(
            self._busy.mean(end - METRIC_WINDOW_S, end), counted, deployment.existing - ready, ready - counted
        )
        return recommended(deployment.asked, usage, self._target)

    def _stabilised(self, now: float, current: int, found: int) -> int:
        """More acts at once; less only as far as all recommendations of the window agree on it."""
        kept = [entry for entry in self._recommendations if entry[0] > now - self._down_window_s]
        self._recommendations = [*kept, (now, found)]
        return max(found, min(current, max(pods for _, pods in self._recommendations)))

    def _bounded(self, now: float, current: int, found: int) -> int:
        self._changes = [change for change in self._changes if change[0] > now - UP_PERIOD_S]
        before = current - sum(change for _, change in self._changes)
        most = max(UP_FACTOR * before, before + UP_PODS, current)
        if found > current:
            found = min(found, most)
        return max(self.floor, min(self._world.max_replicas, found))
