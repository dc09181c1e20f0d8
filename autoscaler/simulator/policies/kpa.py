"""Knative's pod autoscaler (KPA) on concurrency, with its documented algorithm and defaults.

https://knative.dev/docs/serving/autoscaling/ and knative/serving, docs/scaling and config-autoscaler.
"""

import math
from dataclasses import dataclass

from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.series import Series
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World

TICK_S = 2.0
STABLE_S = 60.0
PANIC_S = 6.0
PANIC_THRESHOLD = 2.0  # times the pods that are ready
UP_FACTOR = 1_000.0
DOWN_FACTOR = 2.0
CONCURRENCY = 10.0  # requests a pod serves at a time when it is busy; only its ratio to the target counts


@dataclass(frozen=True, slots=True)
class Panic:
    """Since when it was last over the threshold, None in stable mode; and the most pods asked for meanwhile."""

    since: float | None = None
    most: int = 0


def scaled(ready: int, stable: float, panic: float, target: float, mode: Panic, now: float) -> tuple[int, Panic]:
    """Pods for the mean concurrency of both windows, and the mode after this tick."""
    pods = max(1, ready)
    lowest, highest = math.floor(pods / DOWN_FACTOR), math.ceil(pods * UP_FACTOR)
    urgent = math.ceil(panic / target - 1e-9)
    wanted = min(max(math.ceil(stable / target - 1e-9), lowest), highest)
    in_panic = min(max(urgent, lowest), highest)
    if urgent / pods >= PANIC_THRESHOLD:
        mode = Panic(now, mode.most)
    elif mode.since is not None and mode.since + STABLE_S < now:
        mode = Panic()
    if mode.since is None:
        return wanted, mode
    most = max(wanted, in_panic, mode.most)
    return most, Panic(mode.since, most)


class Kpa:
    """The autoscaler; scaling to zero, and the activator's queue before the pods, are left out."""

    name = "kpa"
    interval_s = TICK_S

    def __init__(self, world: World) -> None:
        self._world = world
        self._mode = Panic()
        self._concurrency = Series(2 * STABLE_S)

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """What is being served, and what waits in the pods."""
        served = measure.served / self._world.capacity * CONCURRENCY
        self._concurrency.add(measure.end, served + measure.queue)

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas at a tick."""
        stable = self._concurrency.mean(now - STABLE_S, now)
        panic = self._concurrency.mean(now - PANIC_S, now)
        target = CONCURRENCY * self._world.target_utilization
        found, self._mode = scaled(deployment.ready(now), stable, panic, target, self._mode, now)
        return max(self._world.min_replicas, min(self._world.max_replicas, found))
