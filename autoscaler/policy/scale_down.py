"""Scale down late and in steps. Pure."""

import math
from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning

# After a longer time without data, the need in that time is unknown, so the window starts again.
_MAX_DATA_GAP_S = 20.0
# Surplus pods are tolerated up to this share. Below it, noise alone would remove and add pods.
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class RecommendationWindow:
    """The recommended numbers of pods of the last `stabilization_s` seconds, as (time, pods).

    Only entries that are higher than all later ones are kept, so the first entry is the maximum.
    """

    entries: tuple[tuple[float, int], ...] = ()

    def add(self, now: float, pods: int, stabilization_s: float) -> "RecommendationWindow":
        """Return the window with a recommendation of `now`."""
        kept = [entry for entry in self.entries if entry[0] > now - stabilization_s and entry[1] > pods]
        return RecommendationWindow((*kept, (now, pods)))

    @property
    def maximum(self) -> int:
        """Return the highest recommendation of the window. The window must not be empty."""
        return self.entries[0][1]


def record_recommendation(
    window: RecommendationWindow, assessed_at: float | None, current: int, pods: int, now: float, stabilization_s: float
) -> RecommendationWindow:
    """Return the window with a recommendation of `now`.

    After a gap without data the window starts again with the current number, as if all current pods had been needed.
    `assessed_at` is the time of the last decision with data.
    """
    if assessed_at is None or now - assessed_at > _MAX_DATA_GAP_S:
        window = RecommendationWindow().add(now, current, stabilization_s)
    return window.add(now, pods, stabilization_s)


def scale_down(current: int, window: RecommendationWindow, since_change_s: float, tuning: Tuning) -> int:
    """Return the number of pods to keep. It is `current` where there is no surplus, or the last change is recent."""
    if window.maximum >= current * (1 - _TOLERANCE) or since_change_s < tuning.scale_down_period_s:
        return current
    return max(window.maximum, math.floor(current * (1 - tuning.max_scale_down_share)))
