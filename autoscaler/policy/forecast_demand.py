"""Forecast the demand of an observation, and update the state with it. Pure.

A forecast uses only what was learned from earlier observations. So more arrivals never result in fewer pods.
"""

from dataclasses import dataclass, replace

from autoscaler.policy.decision import State
from autoscaler.policy.forecast.arrivals import LEVEL_AGE_S, ArrivalHistory
from autoscaler.policy.forecast.demand import Demand, backlog_rate, future_queue, growth_within
from autoscaler.policy.forecast.load import Load, update_capacity
from autoscaler.policy.forecast.saturation import censored_demand, is_saturated, update_censored, update_excess
from autoscaler.policy.forecast.virality import update_trends
from autoscaler.policy.observation import Observation
from autoscaler.policy.tuning import Tuning

# A pod reports on the second that has just ended.
_REPORT_AGE_S = 1.0
# Weight of a new measurement in the learned start-up time: about three measurements replace it.
_STARTUP_WEIGHT = 0.3
# Pods report each second, so all of them have reported this long after the first report.
_FIRST_REPORTS_S = 3.0
# The number of pending likes is compared with the number this long ago, as it rises and falls with each flush.
_PENDING_SPAN_S = 30.0
# Factor from which the number of pending likes counts as growing: a smaller one is the flushes' own rhythm.
_PENDING_GROWTH = 1.1


@dataclass(frozen=True, slots=True)
class _Forecaster:
    """One observation, and what was known before it."""

    state: State
    observation: Observation
    load: Load
    now: float
    capacity: float
    tuning: Tuning

    def horizon_s(self, rate: float, slope: float, pod_startup_s: float) -> float:
        """Return the seconds until all missing pods serve. More missing pods take longer to create."""
        earliest_s = _REPORT_AGE_S + pod_startup_s
        demand = self.demand(rate, slope, earliest_s)
        missing = demand.total / (self.capacity * self.tuning.target_utilization) - self.observation.replicas
        return earliest_s + min(max(0.0, missing), self.tuning.max_replicas) / self.tuning.creation_per_s

    def demand(self, rate: float, slope: float, horizon_s: float, viral: float = 0.0) -> Demand:
        """Return the demand after `horizon_s`, from arrivals in requests/s and their slope in requests/s²."""
        load, replicas = self.load, self.observation.replicas
        growth = growth_within(rate, slope, horizon_s + LEVEL_AGE_S)
        # Pods that are starting become ready within the horizon, so on average half of them serve.
        mean_pods = (load.pods + max(load.pods, replicas)) / 2
        queue = future_queue(load.queue, rate + growth / 2, mean_pods, self.capacity, horizon_s)
        demand = Demand(
            arrivals=rate, growth=growth, viral=viral, horizon_s=horizon_s,
            censored=censored_demand(load, self.state.censored_since, self.capacity, self.now),
        )  # fmt: skip
        drain, utilization = queue / self.tuning.queue_drain_s, self.tuning.target_utilization
        return replace(demand, backlog=backlog_rate(rate + demand.rise, demand.rise, drain, utilization))


def forecast_demand(
    state: State, observation: Observation, load: Load, now: float, tuning: Tuning
) -> tuple[Demand, State]:
    """Return the demand, and the state for the next decision without the results of this one."""
    capacity = state.capacity or tuning.pod_capacity
    forecaster = _Forecaster(state, observation, load, now, capacity, tuning)
    arrivals = state.arrivals.add(now, load.arrivals)
    rate, slope = _arrival_rate(state, arrivals, load)
    pod_startup_s = _update_startup(state, observation, tuning)
    horizon_s = forecaster.horizon_s(rate, slope, pod_startup_s)
    data_since, posts_seen_at = _reporting_since(state, now)
    known = state.post_trends if posts_seen_at else {}
    trends, viral = update_trends(known, observation.posts, posts_seen_at, now, capacity, horizon_s)
    passed = 1.0 if state.assessed_at is None else now - state.assessed_at
    excess = update_excess(state.excess_share, load, passed)
    censored_since = update_censored(state.censored_since, load, excess, capacity, now)
    return forecaster.demand(rate, slope, horizon_s, viral), replace(
        state, data_since=data_since, assessed_at=now, capacity=update_capacity(capacity, load, passed),
        pod_startup_s=pod_startup_s, arrival_rate=rate, arrival_slope=slope,
        overloaded=is_saturated(load) and (state.overloaded or censored_since is not None),
        censored_since=censored_since, excess_share=excess, arrivals=arrivals, post_trends=trends,
        pending_history=_update_pending(state, observation, now),
    )  # fmt: skip


def _reporting_since(state: State, now: float) -> tuple[float, float | None]:
    """Return the time since which pods have reported without a gap, and the time of the last look at their posts.

    The second value is None while pods begin to report. The sums over posts then rise because more pods report.
    """
    since = now if state.data_since is None else state.data_since
    return since, state.assessed_at if now - since >= _FIRST_REPORTS_S else None


def _arrival_rate(state: State, arrivals: ArrivalHistory, load: Load) -> tuple[float, float]:
    """Return the arrivals in requests/s and their slope in requests/s².

    Saturated pods can't show a fall, so the rate does not fall. Overloaded pods accept more as their number grows. That
    is no growth of the demand, so the earlier slope is kept.
    """
    rate = max(arrivals.level(), state.arrival_rate if is_saturated(load) else 0.0)
    return rate, state.arrival_slope if state.overloaded else arrivals.slope()


def is_pending_growing(state: State) -> bool:
    """Return whether likes pile up before Postgres. The likes of less than a second only wait for the next flush."""
    if not state.pending_history:
        return False
    newest, oldest = state.pending_history[-1][1], state.pending_history[0][1]
    return newest > max(_PENDING_GROWTH * oldest, state.arrival_rate)


def _update_startup(state: State, observation: Observation, tuning: Tuning) -> float:
    known, measured = state.pod_startup_s or tuning.pod_startup_s, observation.pod_startup_s
    return known if measured is None else known + _STARTUP_WEIGHT * (measured - known)


def _update_pending(state: State, observation: Observation, now: float) -> tuple[tuple[float, float], ...]:
    if observation.pending is None:
        return state.pending_history
    kept = [entry for entry in state.pending_history if entry[0] >= now - _PENDING_SPAN_S]
    return (*kept, (now, observation.pending))
