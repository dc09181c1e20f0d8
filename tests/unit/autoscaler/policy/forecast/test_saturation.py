"""Overloaded pods: when their measurements are censored, and how many pods are then added."""

from dataclasses import replace

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.observation import Observation
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Deployment
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.simulation import simulate
from autoscaler.simulator.model.traffic import Measurement
from autoscaler.simulator.policies.foresight import Bound
from autoscaler.simulator.policies.likewise import Likewise
from autoscaler.simulator.report.score import score_run
from tests.support.autoscaler.observations import CALM, TUNING, decide_each_second, observe, pod_samples

SLOW_PODS = ClusterModel(pod_startup_s=20.0)
# The pods admit exactly what they serve.
OVERLOADED = observe(10, 1_000, 0.0, queue=5_000)


def decide_repeatedly(observation: Observation, seconds: int, state: State, now: float) -> Decision:
    """Return the last decision of one decision per second on the same observation."""
    for second in range(1, seconds + 1):
        at = now + second
        samples = tuple(replace(sample, at=at) for sample in observation.pods)
        decision = decide(state, replace(observation, pods=samples), at, TUNING)
        state = decision.state
    return decision


def test_overloaded_pods_are_tripled_and_again_once_the_new_ones_are_ready():
    decision = decide_repeatedly(OVERLOADED, 3, decide_each_second(CALM)[0].state, 40.0)
    assert decision.demand.censored == 2_000
    # 2,000 / 66: twice what the pods serve, at the target utilization.
    assert decision.replicas == 31
    starting = replace(OVERLOADED, replicas=31)
    decision = decide_repeatedly(starting, 10, decision.state, 43.0)
    assert decision.replicas == 31
    ready = observe(31, 3_100, 0.0, queue=15_500)
    assert decide_repeatedly(ready, 1, decision.state, 53.0).demand.censored == 6_200


def test_two_seconds_of_overload_are_not_enough():
    assert decide_repeatedly(OVERLOADED, 2, decide_each_second(CALM)[0].state, 40.0).demand.censored == 0


def test_pods_that_admit_more_than_they_serve_measure_the_demand():
    admitting = observe(10, 1_200, 0.0, queue=5_000)
    decision = decide_repeatedly(admitting, 20, decide_each_second(CALM)[0].state, 40.0)
    assert decision.demand.censored == 0
    # More pods, which serve exactly what arrives.
    keeping_up = observe(12, 1_200, 0.0, queue=5_000)
    assert decide_repeatedly(keeping_up, 4, decision.state, 60.0).demand.censored == 0
    assert decide_repeatedly(keeping_up, 30, decision.state, 60.0).demand.censored == 2_400


def test_arrivals_do_not_fall_while_pods_are_saturated():
    state = decide_each_second([*CALM, 3_000.0])[0].state
    decision = decide(state, observe(10, 1_000, 42.0, queue=100), 42.0, TUNING)
    assert decision.demand.arrivals > 2_900


def test_a_growing_number_of_overloaded_pods_is_not_a_rise():
    decision, now = decide_each_second(CALM)
    state = decision.state
    for count in range(10, 40, 3):
        now += 1
        samples = pod_samples(count, count * 100.5, now, queue=count * 500.0)
        state = decide(state, observe(count, 0, now, pods=samples), now, TUNING).state
    assert state.overloaded
    assert state.arrival_slope == 0


class Censored(Likewise):
    """Likewise with pods that admit no more than they serve once they are saturated."""

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        if measurement.utilization >= 0.95:
            queue = min(measurement.queue, 0.5 * SLOW_PODS.pod_capacity * deployment.ready_pods(measurement.end))
            measurement = replace(measurement, arrivals=min(measurement.arrivals, measurement.served), queue=queue)
        super().observe(measurement, deployment)


def test_censored_demand_is_met():
    trace = SHAPES["step"](2_100.0, 11_500.0)
    score = score_run(simulate(trace, Censored(SLOW_PODS, Tuning(pod_capacity=30)), SLOW_PODS))
    bound = score_run(simulate(trace, Bound(SLOW_PODS, trace), SLOW_PODS))
    # The pods are tripled each time that new ones are ready.
    assert score.violation_s <= bound.violation_s + 20
    assert score.reversals == 1
