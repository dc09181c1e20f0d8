"""The simulated HPA, compared with cases worked out by hand from Kubernetes' documentation."""

import pytest

from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Cohort, Deployment
from autoscaler.simulator.model.traffic import Measurement
from autoscaler.simulator.policies.hpa import Hpa, Usage, recommend


@pytest.mark.parametrize(
    ("current", "usage", "target", "pods"),
    [
        # 50 * 0.90 / 0.75, the documentation's own example.
        (50, Usage(0.90, 50), 0.75, 60),
        # The ratio 1.086 is within the tolerance of 0.1.
        (10, Usage(0.76, 10), 0.70, 10),
        # The ratio 1.114 is not: 11.14, rounded up.
        (10, Usage(0.78, 10), 0.70, 12),
        (10, Usage(0.35, 10), 0.70, 5),
        # 8 * 1.43 / 10 = 1.143: 11.43
        (10, Usage(1.00, 8, unready=2), 0.70, 12),
        # 8 * 1.286 / 10 = 1.029, within the tolerance.
        (10, Usage(0.90, 8, unready=2), 0.70, 10),
        # The ratio would change from 1.143 to 0.571, the other direction.
        (10, Usage(0.80, 8, unready=8), 0.70, 10),
        # A scale-down leaves out unready pods: 8 * 0.5
        (10, Usage(0.35, 8, unready=2), 0.70, 4),
        # Missing pods use all of their target: (8 * 0.5 + 2) / 10 = 0.6
        (10, Usage(0.35, 8, missing=2), 0.70, 6),
        # For a scale-up they use nothing.
        (10, Usage(1.00, 8, missing=2), 0.70, 12),
        # 8 * 1.43 = 11.43 would be fewer than exist.
        (20, Usage(1.00, 8, unready=3), 0.70, 20),
        # No metric, no change.
        (10, Usage(0.00, 0, unready=10), 0.70, 10),
    ],
)
def test_recommend(current, usage, target, pods):
    assert recommend(current, usage, target) == pods


def measure(hpa: Hpa, deployment: Deployment, end: float, utilization: float, length_s: float = 15.0) -> None:
    hpa.observe(Measurement(end - length_s, end, 0, 0, 0, 0, 0, utilization, 0, 0, False), deployment)


def sync(hpa: Hpa, deployment: Deployment, utilizations: list[float]) -> list[int]:
    """Return the replicas after each sync, 15 s apart. Pods are ready at once."""
    replicas = []
    for number, utilization in enumerate(utilizations, 1):
        measure(hpa, deployment, 15.0 * number, utilization)
        deployment.replicas = hpa.decide(15.0 * number, deployment)
        deployment.cohorts = [Cohort(-1e9, deployment.replicas)]
        replicas.append(deployment.replicas)
    return replicas


def test_metrics_are_27_seconds_old():
    cluster = ClusterModel(target_utilization=0.5)
    replicas = sync(Hpa(cluster), Deployment(cluster, 10), [0.5, 0.5, 0.5, 1.0, 1.0, 1.0])
    # At 75 s the metric covers 40.5 to 55.5 s: 4.5 s at 0.5 and 10.5 s at 1 make 0.85, a ratio of 1.7.
    assert replicas == [10, 10, 10, 10, 17, 34]


def test_pods_at_most_double_in_a_period():
    cluster = ClusterModel(target_utilization=0.1, max_replicas=1_000)
    assert sync(Hpa(cluster), Deployment(cluster, 10), [1.0] * 5) == [10, 10, 20, 40, 80]


def test_few_pods_grow_by_four():
    cluster = ClusterModel(target_utilization=0.1, min_replicas=1)
    assert sync(Hpa(cluster), Deployment(cluster, 2), [1.0] * 4) == [2, 2, 6, 12]


def test_a_scale_down_waits_for_the_window_of_five_minutes():
    cluster = ClusterModel(target_utilization=0.5)
    replicas = sync(Hpa(cluster), Deployment(cluster, 10), [0.5] * 3 + [0.25] * 24)
    # The metric is 0.5 at 60 s, 0.325 at 75 s (7 pods), and then 0.25 (5 pods). Each counts for 300 s.
    assert replicas[:23] == [10] * 23
    # At 360, 375 and 390 s.
    assert replicas[23:26] == [7, 5, 5]


def test_a_raised_minimum_counts_before_any_metric():
    cluster = ClusterModel()
    hpa, deployment = Hpa(cluster), Deployment(cluster, 10)
    hpa.min_replicas = 500
    assert hpa.decide(15.0, deployment) == 500
