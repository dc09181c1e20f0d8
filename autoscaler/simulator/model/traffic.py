"""Requests on their way: served, waiting in the pods' bounded queues, refused, given up, tried again."""

import math
import random
from collections import deque
from dataclasses import dataclass

from autoscaler.simulator.model.world import World

_REFUSED = 0.001  # share of refused requests that violates: the p99.9 is no longer kept


@dataclass(frozen=True, slots=True)
class Measure:
    """What happened from `start` to `end`, in s. Rates in requests/s.

    `demand` is true and seen by nobody; `arrivals` got into a pod, `served` were served; `queue` requests wait at the
    end, each for `wait_s`; `utilisation` is the pods' busy share, `post` the viral post's part of the arrivals, `lost`
    the requests that were refused or served too late.
    """

    start: float
    end: float
    demand: float
    arrivals: float
    served: float
    queue: float
    wait_s: float
    utilization: float
    lost: float
    post: float
    violated: bool


class Traffic:
    """The queue of all pods as one: a balancer spreads requests evenly."""

    def __init__(self, world: World, retries: float) -> None:
        self._world = world
        self._retries = retries
        self._again: deque[tuple[float, float]] = deque()
        self._random = random.Random(world.seed)  # noqa: S311 - a simulation's noise
        self._queue = 0.0
        self._wait_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether nobody waits, here or to try again."""
        return self._queue <= 0 and not self._again

    def step(self, start: float, end: float, demand: float, post: float, pods: int, capacity: float) -> Measure:
        """Serve what comes between two times, at a mean demand."""
        passed = end - start
        offered = self._noisy(demand * passed) + self._returning(end)
        served = min(self._queue + offered, capacity * passed)
        waiting = self._queue + offered - served
        refused = max(0.0, waiting - self._world.queue_s * self._world.capacity * pods)
        gone = served if self._wait_s > self._world.timeout_s else 0.0
        self._fail(end, refused + gone)
        self._queue = waiting - refused
        self._wait_s = self._queue / capacity if capacity > 0 else (math.inf if self._queue > 0 else 0.0)
        violated = self._wait_s > self._world.slo_s or refused > _REFUSED * offered
        arrivals = (offered - refused) / passed
        share = post / demand if demand > 0 else 0.0
        return Measure(
            start, end, demand, arrivals, served / passed, self._queue, self._wait_s,
            served / (capacity * passed) if capacity > 0 else 1.0, refused + gone, arrivals * share, violated,
        )  # fmt: skip

    def _noisy(self, requests: float) -> float:
        return max(0.0, requests + self._random.gauss(0.0, 1.0) * math.sqrt(requests))

    def _returning(self, now: float) -> float:
        total = 0.0
        while self._again and self._again[0][0] <= now:
            total += self._again.popleft()[1]
        return total

    def _fail(self, now: float, requests: float) -> None:
        again = requests * self._retries
        if again >= 1:
            self._again.append((now + self._world.retry_s, again))
