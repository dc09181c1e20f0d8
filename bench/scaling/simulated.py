"""Simulate the demand of a recorded cluster run, and compare the numbers of pods."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.simulation import Step, simulate
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.policies.likewise import Likewise

Points = Sequence[tuple[float, float]]
# The number of pods at a time, in s on the demand's clock.
Count = Callable[[float], float]


def simulate_demand(demand: Points, tuning: Tuning, pod_startup_s: float, post_share: float) -> list[Step]:
    """Return the simulator's steps for a demand of (s, requests/s) points.

    Pods are ready after `pod_startup_s`, and warm at once. One post has `post_share` of the requests. Each second is a
    point of the trace, so that no longer step skips a scale-down.
    """
    curve = Curve(tuple(at for at, _ in demand), tuple(rate for _, rate in demand))
    times = tuple(float(second) for second in range(int(demand[-1][0]) + 1))
    rates = tuple(curve.at(second) for second in times)
    post = Curve(times, tuple(rate * post_share for rate in rates))
    cluster = ClusterModel(
        pod_capacity=tuning.pod_capacity, min_replicas=tuning.min_replicas, max_replicas=tuning.max_replicas,
        pod_startup_s=pod_startup_s, cold_share=1.0,
    )  # fmt: skip
    return simulate(Trace("drill", Curve(times, rates), post), Likewise(cluster, tuning), cluster)


def count_over_time(steps: Sequence[Step], pods: Callable[[Step], int]) -> Count:
    """Return a number of the steps as a function of time. Each number holds from the end of its step."""
    ends = [(step.measurement.end, pods(step)) for step in steps]

    def count(now: float) -> float:
        return next((number for end, number in reversed(ends) if end <= now), ends[0][1])

    return count


def relative_difference(one: Count, other: Count, start: float, end: float, every_s: float = 0.5) -> float:
    """Return the mean absolute difference of two numbers from `start` to `end`, as a share of the higher peak."""
    samples = round((end - start) / every_s)
    times = [start + index * every_s for index in range(samples)]
    peak = max(max(one(now), other(now)) for now in times)
    return sum(abs(one(now) - other(now)) for now in times) / len(times) / peak


def count_turns(numbers: Sequence[int]) -> int:
    """Count the changes of direction: a rise that is followed by a fall, or a fall by a rise."""
    ups = [later > earlier for earlier, later in pairwise(numbers) if later != earlier]
    return sum(before != after for before, after in pairwise(ups))
