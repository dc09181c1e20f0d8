"""Pods without time left measure what they can do and not what is asked: when that hides demand, and how much. Pure."""

import math

from autoscaler.policy.forecast.load import Load

_BUSY = 0.95  # mean busy share from which pods are taken to be saturated: they differ by a few percent
_WAIT_S = 0.25  # of work waiting, besides: likes are answered within that, and fast pods hold little more
_TAKEN = 0.95  # arrivals over accepted from which the queue does not drain
_OVERFLOW = 0.01  # share by which more gets in than is served, up to which nothing more is taken to get in
_OVERFLOW_MEMORY_S = 5.0  # that share is averaged over so long: the pods' own chance passes in less
_FOR_S = 2.0  # for which it must be so: a rise that passes what pods serve looks so at once
_FACTOR = 2.0  # times what saturated pods serve, as they hide what is missing: at the target, 3 times the pods


def saturated(load: Load) -> bool:
    """Whether the pods have no time left."""
    return load.busy >= _BUSY * load.pods


def overflowing(before: float | None, load: Load, passed_s: float) -> float | None:
    """By which share more gets in than is served, lately; None where the pods are not saturated."""
    if not saturated(load) or load.accepted <= 0:
        return None
    now = load.arrivals / load.accepted - 1
    return now if before is None else before + min(1.0, passed_s / _OVERFLOW_MEMORY_S) * (now - before)


def hiding_since(since: float | None, load: Load, overflow: float | None, capacity: float, now: float) -> float | None:
    """Since when pods have been full and have taken in just what they serve, so that what else comes waits unseen.

    Where more gets in than they serve, all that comes is seen.
    """
    hides = _full(load, capacity) and overflow is not None and overflow <= _OVERFLOW + _chance(load)
    return (now if since is None else since) if hides else None


def hidden(load: Load, since: float | None, capacity: float, now: float) -> float:
    """Requests/s that full pods are taken to have to serve; 0 where they hide nothing, as far as is known.

    `since` is as of the look before, so that more arrivals now never look like less that is hidden.
    """
    hides = since is not None and now - since >= _FOR_S and _full(load, capacity)
    return _FACTOR * load.pods * capacity if hides else 0.0


def _chance(load: Load) -> float:
    """By which share what gets in may differ from what is served: half of what independent requests vary by."""
    return 0.5 / math.sqrt(max(1.0, load.accepted * _OVERFLOW_MEMORY_S))


def _full(load: Load, capacity: float) -> bool:
    waits = load.queue >= _WAIT_S * load.pods * capacity
    return waits and saturated(load) and load.arrivals >= _TAKEN * load.accepted
