"""The same demand on paper: what the simulator says of a drill that was recorded on a cluster."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.run import Moment, run
from autoscaler.simulator.model.trace import Curve, Trace
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.likewise import Likewise

Points = Sequence[tuple[float, float]]
Count = Callable[[float], float]  # pods at a time, in s on the demand's clock


def simulated(demand: Points, tuning: Tuning, pod_startup_s: float, post_share: float) -> list[Moment]:
    """The simulator's moments for `(s, requests/s)` points, with pods that are ready after `lead_s` and warm at once.

    `post_share` of the requests are one post's. Each second is a point, so that no longer step skips a release.
    """
    drawn = Curve(tuple(at for at, _ in demand), tuple(rate for _, rate in demand))
    times = tuple(float(second) for second in range(int(demand[-1][0]) + 1))
    rates = tuple(drawn.at(second) for second in times)
    post = Curve(times, tuple(rate * post_share for rate in rates))
    world = World(
        capacity=tuning.pod_capacity, min_replicas=tuning.min_replicas, max_replicas=tuning.max_replicas,
        start_s=pod_startup_s, cold_share=1.0,
    )  # fmt: skip
    return run(Trace("drill", Curve(times, rates), post), Likewise(world, tuning), world)


def over_time(moments: Sequence[Moment], pods: Callable[[Moment], int]) -> Count:
    """A number of the moments as a function of time: each holds from its end on."""
    ends = [(moment.measure.end, pods(moment)) for moment in moments]

    def count(now: float) -> float:
        return next((number for end, number in reversed(ends) if end <= now), ends[0][1])

    return count


def difference(one: Count, other: Count, start: float, end: float, every_s: float = 0.5) -> float:
    """The mean absolute difference of two numbers from `start` to `end`, as a share of the higher one's peak."""
    steps = round((end - start) / every_s)
    moments = [start + step * every_s for step in range(steps)]
    peak = max(max(one(now), other(now)) for now in moments)
    return sum(abs(one(now) - other(now)) for now in moments) / len(moments) / peak


def reversals(numbers: Sequence[int]) -> int:
    """How often raising turned into releasing, or releasing into raising."""
    ups = [later > earlier for earlier, later in pairwise(numbers) if later != earlier]
    return sum(before != after for before, after in pairwise(ups))
