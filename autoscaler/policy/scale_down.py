"""Handing pods back: later than they are too many, and a few at a time. Pure."""

import math
from dataclasses import dataclass

from autoscaler.policy.tuning import Tuning

_GAP_S = 20.0  # without sight; after more of it nobody knows what was needed, and holding starts anew
_TOO_MANY = 0.1  # share of the pods from which they are too many: below, chance would take and give them


@dataclass(frozen=True, slots=True)
class Needs:
    """What was needed lately, as (time, pods): each entry is higher than those after it, so the first is the most."""

    entries: tuple[tuple[float, int], ...] = ()

    def after(self, now: float, pods: int, hold_s: float) -> "Needs":
        """With what is needed now."""
        kept = [entry for entry in self.entries if entry[0] > now - hold_s and entry[1] > pods]
        return Needs((*kept, (now, pods)))

    @property
    def most(self) -> int:
        """The most of the last `hold_s` seconds."""
        return self.entries[0][1]


def after_look(needs: Needs, looked: float | None, current: int, pods: int, now: float, hold_s: float) -> Needs:
    """With what is needed now; after a time without sight as if all that is there had been needed until now."""
    if looked is None or now - looked > _GAP_S:
        needs = Needs().after(now, current, hold_s)
    return needs.after(now, pods, hold_s)


def released(current: int, needs: Needs, since_change_s: float, tuning: Tuning) -> int:
    """How many pods are kept of the current ones."""
    if needs.most >= current * (1 - _TOO_MANY) or since_change_s < tuning.release_every_s:
        return current
    return max(needs.most, math.floor(current * (1 - tuning.release_share)))
