"""Model requests: served, queued in the pods, refused, timed out and retried."""

import math
import random
from collections import deque
from dataclasses import dataclass

from autoscaler.simulator.model.cluster_model import ClusterModel

# Share of refused requests that violates the target: above it, the p99.9 is not kept.
_MAX_REFUSED_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Measurement:
    """The traffic from `start` to `end`, in s. Rates are in requests/s.

    `demand` is the true demand, which no policy but the ideal ones may use. `arrivals` were admitted by a pod, and
    `served` were served. `queue` requests wait at the end, each for `wait_s`. `utilization` is the pods' busy share.
    `lost` requests were refused, or served after their client had given up. `post` is the viral post's part of the
    arrivals. `violated` is whether requests waited too long or were refused.
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
    """The traffic of all pods, modeled with one queue, as a load balancer spreads requests evenly."""

    def __init__(self, cluster: ClusterModel, retry_share: float) -> None:
        self._cluster = cluster
        self._retry_share = retry_share
        # (time, requests) of the retries to come.
        self._retries: deque[tuple[float, float]] = deque()
        self._random = random.Random(cluster.seed)  # noqa: S311 - a simulation's noise
        self._queue = 0.0
        self._wait_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Return whether no request waits, neither in a queue nor for a retry."""
        return self._queue <= 0 and not self._retries

    def advance(self, start: float, end: float, demand: float, post: float, pods: int, capacity: float) -> Measurement:
        """Serve the requests between two times, at a mean demand, and return the measurement."""
        passed = end - start
        offered = self._noisy(demand * passed) + self._due_retries(end)
        served = min(self._queue + offered, capacity * passed)
        waiting = self._queue + offered - served
        refused = max(0.0, waiting - self._cluster.max_queue_s * self._cluster.pod_capacity * pods)
        timed_out = served if self._wait_s > self._cluster.timeout_s else 0.0
        self._schedule_retries(end, refused + timed_out)
        self._queue = waiting - refused
        self._wait_s = self._queue / capacity if capacity > 0 else (math.inf if self._queue > 0 else 0.0)
        violated = self._wait_s > self._cluster.slo_s or refused > _MAX_REFUSED_SHARE * offered
        arrivals = (offered - refused) / passed
        share = post / demand if demand > 0 else 0.0
        return Measurement(
            start, end, demand, arrivals, served / passed, self._queue, self._wait_s,
            served / (capacity * passed) if capacity > 0 else 1.0, refused + timed_out, arrivals * share, violated,
        )  # fmt: skip

    def _noisy(self, requests: float) -> float:
        return max(0.0, requests + self._random.gauss(0.0, 1.0) * math.sqrt(requests))

    def _due_retries(self, now: float) -> float:
        total = 0.0
        while self._retries and self._retries[0][0] <= now:
            total += self._retries.popleft()[1]
        return total

    def _schedule_retries(self, now: float, failed: float) -> None:
        retries = failed * self._retry_share
        if retries >= 1:
            self._retries.append((now + self._cluster.retry_delay_s, retries))
