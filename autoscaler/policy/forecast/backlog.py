"""What waits, what will wait once new pods serve, and what it takes besides the demand to work that off. Pure."""


def waiting(queue: float, rate: float, pods: float, capacity: float, ahead_s: float) -> float:
    """Requests that will wait in `ahead_s`, if `rate` requests/s come until then and `pods` serve `capacity` each."""
    return queue + ahead_s * max(0.0, rate - pods * capacity)


def on_top(demand: float, growth: float, drain: float, utilisation: float) -> float:
    """Requests/s beyond the demand for which pods are needed, so that `drain` requests/s are worked off besides.

    Pods for the demand are used to `utilisation`: what they have to spare drains first. A rise that goes on will take
    that spare, so by as much as it adds, what waits comes on top.
    """
    beyond_spare = utilisation * (demand + drain) - demand
    return max(0.0, beyond_spare, min(growth, drain))
