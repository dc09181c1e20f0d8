"""Estimate the demand of saturated pods. Pure.

A saturated pod may measure what it can serve instead of what is demanded: its measurement is censored.
"""

import math

from autoscaler.policy.forecast.load import Load

# Mean busy share from which pods count as saturated: single pods differ by a few percent.
_SATURATED_SHARE = 0.95
# Seconds of queued work that make an overload. Likes are answered within that time, and fast pods hold little more.
_QUEUE_S = 0.25
# Ratio of arrivals to served requests from which the queue does not drain.
_NO_DRAIN_RATIO = 0.95
# Share by which arrivals may exceed the served requests and still count as equal.
_EQUAL_SHARE = 0.01
# The excess is averaged over this time: the noise of the pods' own counts passes in less.
_EXCESS_MEMORY_S = 5.0
# Censoring must last this long. A rise that passes the pods' capacity looks the same at first.
_MIN_CENSORED_S = 2.0
# The demand is assumed to be this many times what saturated pods serve. At the target that triples the pods.
_CENSORED_FACTOR = 2.0


def is_saturated(load: Load) -> bool:
    """Return whether the pods have no idle time left."""
    return load.busy >= _SATURATED_SHARE * load.pods


def update_excess(before: float | None, load: Load, passed_s: float) -> float | None:
    """Return the smoothed share by which arrivals exceed the served requests, None where pods are not saturated."""
    if not is_saturated(load) or load.accepted <= 0:
        return None
    now = load.arrivals / load.accepted - 1
    return now if before is None else before + min(1.0, passed_s / _EXCESS_MEMORY_S) * (now - before)


def update_censored(since: float | None, load: Load, excess: float | None, capacity: float, now: float) -> float | None:
    """Return the time since which the pods have been overloaded and have admitted only what they serve.

    The rest of the demand then waits outside the pods and is not measured. Pods that admit more than they serve measure
    the whole demand; the result is None for them.
    """
    equal = excess is not None and excess <= _EQUAL_SHARE + _noise_share(load)
    if not (equal and _is_overloaded(load, capacity)):
        return None
    return now if since is None else since


def censored_demand(load: Load, since: float | None, capacity: float, now: float) -> float:
    """Return the assumed demand of overloaded pods in requests/s, 0 where they are taken to measure all of it.

    `since` is as of the observation before, so that more arrivals in this one can't lower the result.
    """
    censored = since is not None and now - since >= _MIN_CENSORED_S and _is_overloaded(load, capacity)
    return _CENSORED_FACTOR * load.pods * capacity if censored else 0.0


def _noise_share(load: Load) -> float:
    """Return half of the relative standard deviation of the served requests, taken as independent."""
    return 0.5 / math.sqrt(max(1.0, load.accepted * _EXCESS_MEMORY_S))


def _is_overloaded(load: Load, capacity: float) -> bool:
    queued = load.queue >= _QUEUE_S * load.pods * capacity
    return queued and is_saturated(load) and load.arrivals >= _NO_DRAIN_RATIO * load.accepted
