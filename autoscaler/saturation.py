"""Pods without time left measure what they can do and not what is asked: when that hides demand, and how much. Pure."""

from autoscaler.load import Load

_BUSY = 0.95  # mean busy share from which pods are taken to be saturated: they differ by a few percent
_WAIT_S = 0.25  # of work waiting, besides: likes are answered within that, and fast pods hold little more
_TAKEN = (0.95, 1.05)  # arrivals over accepted: below, the queue drains; above, more gets in than is served and is seen
_FOR_S = 2.0  # for which it must be so: a rise that passes what pods serve, or pods that become more, look so once
_THERE = 0.9  # share of the pods asked for that must be there: what was asked for last is waited for first
_FACTOR = 2.0  # times what saturated pods serve, as they hide what is missing: at the target, 3 times the pods


def saturated(load: Load) -> bool:
    """Whether the pods have no time left."""
    return load.busy >= _BUSY * load.pods


def hiding_since(since: float | None, load: Load, capacity: float, now: float) -> float | None:
    """Since when pods have been full and have taken in just what they serve, so that what else comes waits unseen."""
    hides = _full(load, capacity) and load.arrivals <= _TAKEN[1] * load.accepted
    return (now if since is None else since) if hides else None


def hidden(load: Load, capacity: float, since: float | None, replicas: int, now: float) -> float:
    """Requests/s that full pods are taken to have to serve; 0 where they hide nothing, as far as is known.

    `since` is as of the look before, so that more arrivals now never look like less that is hidden.
    """
    hides = since is not None and now - since >= _FOR_S and load.pods >= _THERE * replicas
    return _FACTOR * load.pods * capacity if hides and _full(load, capacity) else 0.0


def _full(load: Load, capacity: float) -> bool:
    waits = load.queue >= _WAIT_S * load.pods * capacity
    return waits and saturated(load) and load.arrivals >= _TAKEN[0] * load.accepted
