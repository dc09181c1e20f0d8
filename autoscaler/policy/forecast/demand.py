"""What the pods will have to serve once a pod that is made now is ready. Pure."""

from dataclasses import dataclass

_GROWTH_AT_MOST = 1.0  # times the arrivals a slope may add: a rise that goes further is seen again before


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests/s to be served `ahead_s` from now, and what they are made of.

    `arrivals` come now, `growth` is added by their slope, `viral` by posts that double; `backlog` is what it takes on
    top to work off what waits. `hidden` is what saturated pods are assumed to keep from sight, 0 where none is.
    """

    arrivals: float = 0.0
    growth: float = 0.0
    viral: float = 0.0
    backlog: float = 0.0
    hidden: float = 0.0
    ahead_s: float = 0.0

    @property
    def rise(self) -> float:
        """What is added: the total's slope and its posts are the same rise, seen twice, so the larger counts."""
        return max(self.growth, self.viral)

    @property
    def total(self) -> float:
        """All of it."""
        return max(self.arrivals + self.rise + self.backlog, self.hidden)


def grown(level: float, slope: float, ahead_s: float) -> float:
    """Requests/s that a slope in requests/s² adds to a level within a time."""
    return min(slope * ahead_s, _GROWTH_AT_MOST * level)
