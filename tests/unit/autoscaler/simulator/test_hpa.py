"""The simulated HPA against cases worked out by hand from Kubernetes' documentation."""

import pytest

from autoscaler.simulator.model.pods import Cohort, Deployment
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.hpa import Hpa, Usage, recommended


@pytest.mark.parametrize(
    ("current", "usage", "target", "pods"),
    [
        (50, Usage(0.90, 50), 0.75, 60),  # 50 * 0.90 / 0.75, the documentation's own example
        (10, Usage(0.76, 10), 0.70, 10),  # a ratio of 1.086 is within the tolerance of 0.1
        (10, Usage(0.78, 10), 0.70, 12),  # 1.114 is not: 11.14, rounded up
        (10, Usage(0.35, 10), 0.70, 5),
        (10, Usage(1.00, 8, unready=2), 0.70, 12),  # 8 * 1.43 / 10 = 1.143: 11.43
        (10, Usage(0.90, 8, unready=2), 0.70, 10),  # 8 * 1.286 / 10 = 1.029: within the tolerance
        (10, Usage(0.80, 8, unready=8), 0.70, 10),  # would turn 1.143 into 0.571, the other direction
        (10, Usage(0.35, 8, unready=2), 0.70, 4),  # the unready are ignored on the way down: 8 * 0.5
        (10, Usage(0.35, 8, missing=2), 0.70, 6),  # the missing use all of their target: (8 * 0.5 + 2) / 10 = 0.6
        (10, Usage(1.00, 8, missing=2), 0.70, 12),  # on the way up they use nothing
        (20, Usage(1.00, 8, unready=3), 0.70, 20),  # 8 * 1.43 = 11.43 would be fewer than there are
        (10, Usage(0.00, 0, unready=10), 0.70, 10),  # no metric, no change
    ],
)
def test_recommended(current, usage, target, pods):
    assert recommended(current, usage, target) == pods


def told(hpa: Hpa, deployment: Deployment, end: float, utilization: float, of_s: float = 15.0) -> None:
    hpa.see(Measure(end - of_s, end, 0, 0, 0, 0, 0, utilization, 0, 0, False), deployment)


def synced(hpa: Hpa, deployment: Deployment, utilisations: list[float]) -> list[int]:
    """Replicas after each sync, 15 s apart; pods are ready at once."""
    asked = []
    for number, utilization in enumerate(utilisations, 1):
        told(hpa, deployment, 15.0 * number, utilization)
        deployment.asked = hpa.ask(15.0 * number, deployment)
        deployment.cohorts = [Cohort(-1e9, deployment.asked)]
        asked.append(deployment.asked)
    return asked


def test_it_sees_what_was_27_seconds_ago():
    world = World(target_utilization=0.5)
    asked = synced(Hpa(world), Deployment(world, 10), [0.5, 0.5, 0.5, 1.0, 1.0, 1.0])
    # at 75 s it sees 40.5 to 55.5 s: 4.5 s at a half and 10.5 s at all, 0.85: ratio 1.7
    assert asked == [10, 10, 10, 10, 17, 34]


def test_pods_at_most_double_in_a_period():
    world = World(target_utilization=0.1, max_replicas=1_000)
    assert synced(Hpa(world), Deployment(world, 10), [1.0] * 5) == [10, 10, 20, 40, 80]


def test_few_pods_grow_by_four():
    world = World(target_utilization=0.1, min_replicas=1)
    assert synced(Hpa(world), Deployment(world, 2), [1.0] * 4) == [2, 2, 6, 12]


def test_less_waits_until_five_minutes_agree():
    world = World(target_utilization=0.5)
    asked = synced(Hpa(world), Deployment(world, 10), [0.5] * 3 + [0.25] * 24)
    # at 60 s it sees a half, at 75 s 0.325 (7 pods), from then on a quarter (5); each counts for 300 s
    assert asked[:23] == [10] * 23
    assert asked[23:26] == [7, 5, 5]  # at 360, 375, 390 s


def test_a_raised_floor_goes_before_any_metric():
    world = World()
    hpa, deployment = Hpa(world), Deployment(world, 10)
    hpa.floor = 500
    assert hpa.ask(15.0, deployment) == 500
