"""A decision, and all that explains it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscaler.policy.forecast.arrivals import Arrivals
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.forecast.virality import Climb
from autoscaler.policy.scale_down import Needs


@dataclass(frozen=True, slots=True)
class State:
    """What a decision remembers for the next one. Times are on the clock of `now`; a fresh one knows nothing.

    `began` is when the first decision was made, `sighted` the first with sight since the last without, `looked` the
    last with sight, `changed` the last that changed anything. `capacity` is requests/s of a busy pod and `lead_s` the
    lead time: 0 before the first look, then as set until they are learned. `level` is what arrived at the last look,
    and `slope` its growth in requests/s²; `full` is whether the pods could take no more then, `overflow` by which share
    more got in than they served (None where they were not saturated), `hiding` since when they may hide what comes, and
    `pending` the likes that waited for Postgres at the last looks.
    """

    began: float | None = None
    sighted: float | None = None
    looked: float | None = None
    changed: float | None = None
    capacity: float = 0.0
    lead_s: float = 0.0
    level: float = 0.0
    slope: float = 0.0
    full: bool = False
    overflow: float | None = None
    hiding: float | None = None
    pending: tuple[tuple[float, float], ...] = ()
    arrivals: Arrivals = field(default_factory=Arrivals)
    climbs: Mapping[str, Climb] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True)
class Decision:
    """`replicas` to ask for, and why.

    `limit` names what bound the number: `demand` where nothing did. `candidates` are the numbers it was chosen from,
    `demand` what they were made of, `capacity` the requests/s of a busy pod. `state` is for the next decision.
    """

    replicas: int
    current: int
    reason: str
    limit: str
    candidates: Mapping[str, int]
    demand: Demand
    capacity: float
    state: State
