"""Define the demand that the pods must serve once a pod that is created now is ready, and forecast its parts. Pure."""

from dataclasses import dataclass

# A slope may add this many times the arrivals. A rise that goes further shows again in a later observation.
_MAX_GROWTH = 1.0


@dataclass(frozen=True, slots=True)
class Demand:
    """A forecast for `horizon_s` from now, in requests/s, and its parts.

    `arrivals` come now. `growth` is added by their slope, and `viral` by posts that double. `backlog` is the extra rate
    that works off the queue. `censored` is the assumed demand of pods that can measure only what they serve; it is 0
    where pods measure all of it.
    """

    arrivals: float = 0.0
    growth: float = 0.0
    viral: float = 0.0
    backlog: float = 0.0
    censored: float = 0.0
    horizon_s: float = 0.0

    @property
    def rise(self) -> float:
        """Return the expected rise. The slope and the viral posts describe the same rise, so the larger one counts."""
        return max(self.growth, self.viral)

    @property
    def total(self) -> float:
        """Return the rate that the pods must serve."""
        return max(self.arrivals + self.rise + self.backlog, self.censored)


def growth_within(rate: float, slope: float, horizon_s: float) -> float:
    """Return the requests/s that a slope in requests/s² adds to a rate within `horizon_s`."""
    return min(slope * horizon_s, _MAX_GROWTH * rate)


def future_queue(queue: float, rate: float, pods: float, capacity: float, horizon_s: float) -> float:
    """Return the requests that wait after `horizon_s`.

    Until then `rate` requests/s arrive, and `pods` pods serve `capacity` requests/s each.
    """
    return queue + horizon_s * max(0.0, rate - pods * capacity)


def backlog_rate(demand: float, growth: float, drain: float, utilization: float) -> float:
    """Return the requests/s to add to the demand, so that the pods also work off `drain` requests/s.

    Pods for the demand are used to `utilization`, so their spare capacity drains first. A rise that continues uses up
    that spare capacity, so its share of the queue is added.
    """
    beyond_spare = utilization * (demand + drain) - demand
    return max(0.0, beyond_spare, min(growth, drain))
