"""Forecast the queue, and the extra rate that works it off. Pure."""


def future_queue(queue: float, rate: float, pods: float, capacity: float, horizon_s: float) -> float:
    """Return the requests that wait after `horizon_s`.

    Until then `rate` requests/s arrive, and `pods` pods serve `capacity` requests/s each.
    """
    return queue + horizon_s * max(0.0, rate - pods * capacity)


def backlog_rate(demand: float, growth: float, drain: float, utilization: float) -> float:
    """Return the requests/s to add to the demand, so that the pods also work off `drain` requests/s.

    Pods for the demand are used to `utilization`, so their spare capacity drains first. A rise that goes on uses up
    that spare capacity, so its share of the queue is added.
    """
    beyond_spare = utilization * (demand + drain) - demand
    return max(0.0, beyond_spare, min(growth, drain))
