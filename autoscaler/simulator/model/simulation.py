"""Run a policy on a demand, in steps of a second or in longer ones while nothing changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.trace import Trace
from autoscaler.simulator.model.traffic import Measurement, Traffic

_STEP_S = 1.0
# The longest step is one sync period of the HPA.
_LONG_STEPS_S = (15.0, 8.0, 4.0, 2.0)
# Share by which the demand may change within a long step.
_CALM_CHANGE = 0.02
# Above this utilization a queue may form within a second.
_CALM_UTILIZATION = 0.9
# Below this share of the target a policy scales down, so each of its observations counts.
_CALM_SLACK = 0.85
# Simulated time between two progress reports.
_PROGRESS_S = 3_600.0
# No policy distinguishes pods above this age: it is more than the HPA's lag and window.
_OLD_S = 400.0


class Policy(Protocol):
    """A policy that sets the number of replicas every `interval_s`."""

    name: str
    interval_s: float

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Receive the measurement of a step."""

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the number of replicas from `now` on."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the simulation, with the desired, existing and ready pods at its end."""

    measurement: Measurement
    replicas: int
    existing: int
    ready: int

    @property
    def duration_s(self) -> float:
        """Return the length of the step."""
        return self.measurement.end - self.measurement.start


def simulate(
    trace: Trace, policy: Policy, cluster: ClusterModel, progress: Callable[[float], object] = lambda _: None
) -> list[Step]:
    """Return all steps of the trace under a policy. `progress` receives the completed share."""
    return list(_steps(trace, policy, cluster, progress))


def _steps(trace: Trace, policy: Policy, cluster: ClusterModel, progress: Callable[[float], object]) -> Iterator[Step]:
    deployment = Deployment(cluster, _initial_replicas(trace, cluster))
    traffic = Traffic(cluster, trace.retry_share)
    now, next_decision, reported, calm = 0.0, 0.0, 0.0, False
    while now < trace.duration_s - 1e-6:
        end = now + _step_length(trace, now, calm, next_decision)
        before = deployment.replicas
        measurement = _advance(trace, traffic, deployment, now, end)
        policy.observe(measurement, deployment)
        if end >= next_decision:
            deployment.scale(policy.decide(end, deployment))
            next_decision = max(next_decision + policy.interval_s, end)
        calm = before == deployment.replicas and _is_calm(trace, measurement, traffic, deployment)
        yield Step(measurement, deployment.replicas, deployment.existing, deployment.ready_pods(end))
        now = end
        if now - reported >= _PROGRESS_S:
            reported = now
            progress(now / trace.duration_s)


def _advance(trace: Trace, traffic: Traffic, deployment: Deployment, start: float, end: float) -> Measurement:
    deployment.advance(end, end - start)
    deployment.merge_old(end, _OLD_S)
    middle = (start + end) / 2
    post = trace.post.at(middle) if trace.post else 0.0
    pods, capacity = deployment.ready_pods(end), deployment.capacity(end)
    return traffic.advance(start, end, trace.demand.at(middle), post, pods, capacity)


def _initial_replicas(trace: Trace, cluster: ClusterModel) -> int:
    """Return the number of pods that the first demand needs."""
    needed = -(-trace.demand.values[0] // (cluster.pod_capacity * cluster.target_utilization))
    return max(cluster.min_replicas, min(cluster.max_replicas, int(needed)))


def _is_calm(trace: Trace, measurement: Measurement, traffic: Traffic, deployment: Deployment) -> bool:
    """Return whether no event is due: no jump, no queue, and neither too few nor too many pods."""
    cluster = deployment.cluster
    jumps = abs(trace.demand.at(measurement.end) - measurement.demand) > _CALM_CHANGE * measurement.demand
    enough = measurement.utilization < _CALM_UTILIZATION
    at_minimum = deployment.replicas == cluster.min_replicas
    no_surplus = measurement.utilization >= _CALM_SLACK * cluster.target_utilization or at_minimum
    return traffic.is_idle and not jumps and enough and no_surplus and deployment.is_stable(measurement.end)


def _step_length(trace: Trace, now: float, calm: bool, next_decision: float) -> float:
    """Return the length of the next step.

    It ends at the next point of the trace at the latest. A longer step also ends at the next sync of a slow policy.
    """
    left = min(trace.demand.next_time(now), trace.duration_s) - now
    if calm:
        here = trace.demand.at(now)
        for step in _LONG_STEPS_S:
            late = next_decision - now >= _STEP_S and now + step > next_decision + _STEP_S / 2
            if step <= left and not late and abs(trace.demand.at(now + step) - here) <= _CALM_CHANGE * here:
                return step
    return min(_STEP_S, left)
