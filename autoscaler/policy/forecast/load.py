"""Sum the reports of pods, and learn from them the rate that a busy pod serves. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.policy.observation import PodSample

# Below this mean busy share, a pod's fixed costs distort the ratio.
_MIN_BUSY_SHARE = 0.3
# A neighbor's burst passes in less time. A new release of the service shows within minutes.
_MEMORY_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Sums over `pods` pods: rates in requests/s, `busy` in pods, `queue` in requests.

    `warm_pods`, `warm_accepted` and `warm_busy` are the sums over warm pods only.
    """

    pods: int = 0
    arrivals: float = 0.0
    accepted: float = 0.0
    busy: float = 0.0
    queue: float = 0.0
    warm_pods: int = 0
    warm_accepted: float = 0.0
    warm_busy: float = 0.0


def sum_load(samples: Iterable[PodSample], warmup_s: float) -> Load:
    """Return the sums of the samples. A pod is warm once it has been ready for `warmup_s`."""
    pods = warm_pods = 0
    arrivals = accepted = busy = queue = warm_accepted = warm_busy = 0.0
    for sample in samples:
        count = sample.pods
        pods += count
        arrivals += count * sample.arrivals
        accepted += count * sample.accepted
        busy += count * min(1.0, sample.busy)
        queue += count * sample.queue
        if sample.ready_s >= warmup_s:
            warm_pods += count
            warm_accepted += count * sample.accepted
            warm_busy += count * min(1.0, sample.busy)
    return Load(pods, arrivals, accepted, busy, queue, warm_pods, warm_accepted, warm_busy)


def scaled_load(load: Load, factor: float) -> Load:
    """Return the load times a factor. The sums over warm pods stay, as only their ratios are used."""
    return Load(
        round(load.pods * factor), load.arrivals * factor, load.accepted * factor, load.busy * factor,
        load.queue * factor, load.warm_pods, load.warm_accepted, load.warm_busy,
    )  # fmt: skip


def update_capacity(capacity: float, load: Load, passed_s: float) -> float:
    """Return the capacity in requests/s after an observation `passed_s` seconds after the last one."""
    if load.warm_busy < _MIN_BUSY_SHARE * load.warm_pods or load.warm_accepted <= 0:
        return capacity
    measured = load.warm_accepted / load.warm_busy
    weight = min(1.0, max(0.0, passed_s) / _MEMORY_S)
    return capacity + weight * (measured - capacity)
