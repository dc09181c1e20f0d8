"""Pods that are full: what they hide, and what they show."""

from dataclasses import replace

from autoscaler.policy.decision import Decision, State
from autoscaler.policy.observation import Observation
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.pods import Deployment
from autoscaler.simulator.model.run import run
from autoscaler.simulator.model.shapes import SHAPES
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.foresight import Bound
from autoscaler.simulator.policies.likewise import Likewise
from autoscaler.simulator.report.score import score
from tests.support.observations import TUNING, after, pods, seen

CALM = [500.0] * 40  # half of what ten pods serve
SLOW = World(start_s=20.0)
FULL = seen(10, 1_000, 0.0, queue=5_000)  # they take in just what they serve


def looks(observation: Observation, seconds: int, state: State, now: float) -> Decision:
    """The decision after so many looks at the same."""
    for second in range(1, seconds + 1):
        at = now + second
        told = tuple(replace(sample, at=at) for sample in observation.pods)
        decision = decide(state, replace(observation, pods=told), at, TUNING)
        state = decision.state
    return decision


def test_full_pods_are_tripled_and_again_each_time_those_are_there():
    decision = looks(FULL, 3, after(CALM)[0].state, 40.0)
    assert decision.demand.censored == 2_000
    assert decision.replicas == 31  # 2,000 / 66: twice what they serve, at the target utilisation
    waited_for = replace(FULL, replicas=31)
    decision = looks(waited_for, 10, decision.state, 43.0)
    assert decision.replicas == 31
    there = seen(31, 3_100, 0.0, queue=15_500)
    assert looks(there, 1, decision.state, 53.0).demand.censored == 6_200


def test_two_looks_are_not_enough_to_be_taken_for_full():
    assert looks(FULL, 2, after(CALM)[0].state, 40.0).demand.censored == 0


def test_pods_that_take_in_more_than_they_serve_hide_nothing():
    over = seen(10, 1_200, 0.0, queue=5_000)
    decision = looks(over, 20, after(CALM)[0].state, 40.0)
    assert decision.demand.censored == 0
    drains = seen(12, 1_200, 0.0, queue=5_000)  # more pods: they just serve what comes
    assert looks(drains, 4, decision.state, 60.0).demand.censored == 0
    assert looks(drains, 30, decision.state, 60.0).demand.censored == 2_400


def test_while_pods_are_saturated_arrivals_do_not_fall():
    state = after([*CALM, 3_000.0])[0].state
    decision = decide(state, seen(10, 1_000, 42.0, queue=100), 42.0, TUNING)
    assert decision.demand.arrivals > 2_900


def test_what_full_pods_take_in_as_they_become_more_is_no_rise():
    decision, now = after(CALM)
    state = decision.state
    for count in range(10, 40, 3):
        now += 1
        told = pods(count, count * 100.5, now, queue=count * 500.0)
        state = decide(state, seen(count, 0, now, pods=told), now, TUNING).state
    assert state.overloaded
    assert state.arrival_slope == 0


class Hidden(Likewise):
    """Sees pods that take in no more than they serve once they are saturated: what else comes waits unseen."""

    def see(self, measure: Measure, deployment: Deployment) -> None:
        if measure.utilization >= 0.95:
            shown = min(measure.queue, 0.5 * SLOW.capacity * deployment.ready(measure.end))
            measure = replace(measure, arrivals=min(measure.arrivals, measure.served), queue=shown)
        super().see(measure, deployment)


def test_what_full_pods_hide_is_asked_for_all_the_same():
    trace = SHAPES["step"](2_100.0, 11_500.0)
    found = score(run(trace, Hidden(SLOW, Tuning(pod_capacity=30)), SLOW))
    bound = score(run(trace, Bound(SLOW, trace), SLOW))
    assert found.violation_s <= bound.violation_s + 20  # each time that pods come, three times as many
    assert found.reversals == 1
