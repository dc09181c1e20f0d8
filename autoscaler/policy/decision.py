"""Define a decision, its explanation, and the state that it leaves for the next one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscaler.policy.forecast.arrivals import ArrivalHistory
from autoscaler.policy.forecast.demand import Demand
from autoscaler.policy.forecast.virality import PostTrend
from autoscaler.policy.scale_down import RecommendationWindow


@dataclass(frozen=True, slots=True)
class State:
    """The memory of a policy between two decisions. Times are on the clock of `now`. A new state is empty.

    Times of earlier decisions, None where there was none:
    `started_at` is of the first decision, `assessed_at` of the last one that had data, `changed_at` of the last one
    that changed the number of pods. `data_since` is of the first decision with data since the last one without.

    Learned values, 0 until there is data:
    `capacity` is the rate of a busy pod in requests/s, and `pod_startup_s` the time a pod takes to become ready.

    Values as of the last decision with data:
    `arrival_rate` is in requests/s and `arrival_slope` in requests/s². `excess_share` is the smoothed share by which
    arrivals exceeded the served requests, None where the pods were not saturated. `censored_since` is the time from
    which saturated pods have measured only what they serve, None where they measured the demand. `overloaded` is true
    from that time until the pods are no longer saturated. `pending_history` holds (time, likes not in Postgres yet).
    """

    started_at: float | None = None
    data_since: float | None = None
    assessed_at: float | None = None
    changed_at: float | None = None
    capacity: float = 0.0
    pod_startup_s: float = 0.0
    arrival_rate: float = 0.0
    arrival_slope: float = 0.0
    overloaded: bool = False
    excess_share: float | None = None
    censored_since: float | None = None
    pending_history: tuple[tuple[float, float], ...] = ()
    arrivals: ArrivalHistory = field(default_factory=ArrivalHistory)
    post_trends: Mapping[str, PostTrend] = field(default_factory=dict)
    recommendations: RecommendationWindow = field(default_factory=RecommendationWindow)


@dataclass(frozen=True, slots=True)
class Decision:
    """A number of pods to ask for, and the explanation.

    `limit` names the limit that applied, or `demand` if none did. `candidates` are the numbers that it was chosen from,
    by name. `demand` is the forecast, and `capacity` the rate of a busy pod in requests/s. `state` is the
    input of the next decision.
    """

    replicas: int
    current: int
    reason: str
    limit: str
    candidates: Mapping[str, int]
    demand: Demand
    capacity: float
    state: State
