"""What the pods will have to serve once a pod that is made now is ready. Pure."""

from dataclasses import dataclass

from autoscaler.load import Load

_GROWTH_AT_MOST = 1.0  # times the arrivals a slope may add: a rise that goes further is seen again before
_FULL_BUSY = 0.95  # mean busy share from which pods are taken to be saturated: they differ by a few percent
_FULL_WAIT_S = 0.25  # of work waiting, besides: likes are answered within that, and fast pods hold little more
_FULL_TAKEN = 0.95  # arrivals over accepted from which the queue does not drain
_HIDDEN_FACTOR = 2.0  # times what saturated pods serve, as they hide what is missing: at the target, 3 times the pods


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests/s to be served `ahead_s` from now, and what they are made of.

    `arrivals` come now, `growth` is added by their slope, `viral` by posts that double; `backlog` drains what waits.
    `hidden` is what saturated pods are assumed to keep from sight, 0 where none is.
    """

    arrivals: float = 0.0
    growth: float = 0.0
    viral: float = 0.0
    backlog: float = 0.0
    hidden: float = 0.0
    ahead_s: float = 0.0

    @property
    def total(self) -> float:
        """The total's slope and its posts are the same rise, seen twice: the larger counts."""
        return max(self.arrivals + max(self.growth, self.viral) + self.backlog, self.hidden)


def estimate(level: float, slope: float, load: Load, capacity: float, ahead_s: float, drain_s: float) -> Demand:
    """From arrivals in requests/s, their slope in requests/s², and what the pods measure; `viral` is left 0."""
    return Demand(
        arrivals=level,
        growth=min(slope * ahead_s, _GROWTH_AT_MOST * level),
        backlog=load.queue / drain_s,
        hidden=_hidden(load, capacity),
        ahead_s=ahead_s,
    )


def saturated(load: Load) -> bool:
    """Whether the pods have no time left, so that they measure what they can do and not what is asked."""
    return load.busy >= _FULL_BUSY * load.pods


def _hidden(load: Load, capacity: float) -> float:
    waiting = load.queue >= _FULL_WAIT_S * load.pods * capacity
    if not (waiting and saturated(load) and load.arrivals >= _FULL_TAKEN * load.accepted):
        return 0.0
    return _HIDDEN_FACTOR * load.pods * capacity
