"""Requests/s a busy pod serves, learned from the warm ones. Pure."""

from autoscaler.policy.forecast.load import Load

_BUSY_AT_LEAST = 0.3  # mean busy share below which what a pod spends on being there distorts the ratio
_MEMORY_S = 60.0  # a neighbour's burst passes in less; a new release of the service shows in minutes


def learn(capacity: float, load: Load, passed_s: float) -> float:
    """The capacity after a look `passed_s` seconds after the one before."""
    if load.warm_busy < _BUSY_AT_LEAST * load.warm_pods or load.warm_accepted <= 0:
        return capacity
    seen = load.warm_accepted / load.warm_busy
    share = min(1.0, max(0.0, passed_s) / _MEMORY_S)
    return capacity + share * (seen - capacity)
