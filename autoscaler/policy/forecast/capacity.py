"""Learn the rate that a busy pod serves from the warm pods. Pure."""

from autoscaler.policy.forecast.load import Load

# Below this mean busy share, a pod's fixed costs distort the ratio.
_MIN_BUSY_SHARE = 0.3
# A neighbour's burst passes in less time. A new release of the service shows within minutes.
_MEMORY_S = 60.0


def update_capacity(capacity: float, load: Load, passed_s: float) -> float:
    """Return the capacity in requests/s after an observation `passed_s` seconds after the last one."""
    if load.warm_busy < _MIN_BUSY_SHARE * load.warm_pods or load.warm_accepted <= 0:
        return capacity
    measured = load.warm_accepted / load.warm_busy
    weight = min(1.0, max(0.0, passed_s) / _MEMORY_S)
    return capacity + weight * (measured - capacity)
