"""Tests of scaling from 100 pods to 600 and back on fake nodes (KWOK), compared with the simulator.

Deployment, scheduler and HPA are real. The nodes do not run the pods, and the load reports are fake.
`LIKEWISE_DRILL_JSON` names a file for the figures.
"""

import json
import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from autoscaler.policy.tuning import Tuning
from bench.scaling.recorder import Recorder, Steps, value_at
from bench.scaling.simulated import Count, Points, count_over_time, count_turns, relative_difference, simulate_demand
from tests.support.cluster.autoscaler_testbed import NAME, AutoscalerTestbed, kubeconfig_of_account, rbac_objects
from tests.support.cluster.fake_load import FakeLoad, FakePods, demand_at
from tests.support.cluster.fake_nodes import fake_nodes, heartbeats
from tests.support.cluster.kubectl import eventually, namespace
from tests.support.kubernetes.chart import find_object, pod_spec, render
from tests.support.stack.servers import Servers

SELECTOR = "app.kubernetes.io/component=api"
MIN_PODS, MAX_PODS = 100, 600
# Capacity of a pod in requests/s.
CAPACITY = 30.0
# A surplus below a tenth is kept.
MAX_PODS_AFTER = 110
# Demand in requests/s. They need 96 and 632 pods.
BASE_DEMAND, PEAK_DEMAND = 1_900.0, 12_500.0
# Start of the rise, which takes one second.
RISE_S = 10.0
# Share of the requests that are for one post.
POST_SHARE = 0.9
# KWOK occasionally misses a pod, so a few may stay unready.
READY_SHARE = 0.98
# Times after the rise: until the first change, and until all pods are requested.
MAX_FIRST_CHANGE_S, MAX_ALL_REQUESTED_S = 5.0, 10.0
# The defaults (30 s, 10 s and 5 minutes) are too long for a test.
FAST_SETTINGS = {"STABILIZATION_S": "5", "SCALE_DOWN_PERIOD_S": "4", "RESTART_STABILIZATION_S": "0"}
SETTINGS = FAST_SETTINGS | {"MIN_REPLICAS": str(MIN_PODS), "MAX_REPLICAS": str(MAX_PODS), "POD_CAPACITY": str(CAPACITY)}


def demand(fall_s: float, end_s: float) -> list[tuple[float, float]]:
    """Return points `(s, requests/s)`: the base demand, a rise as after a push message, and its end."""
    rise = [(0.0, BASE_DEMAND), (RISE_S, BASE_DEMAND), (RISE_S + 1, PEAK_DEMAND)]
    return [*rise, (fall_s, PEAK_DEMAND), (fall_s + 5, BASE_DEMAND), (end_s, BASE_DEMAND)]


@pytest.fixture(scope="module")
def testbed(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoscalerTestbed]:
    nodes = fake_nodes()
    if (room := sum(nodes.values())) < MAX_PODS:
        pytest.skip(
            f"the nodes labelled type=kwok can hold {room} pods, but {MAX_PODS} are needed: see tests/cluster/README.md"
        )
    root = tmp_path_factory.mktemp("hundreds")
    with heartbeats(nodes), namespace("hundreds") as space:
        space.apply(*rbac_objects("hundreds"), *objects())
        with kubeconfig_of_account(space, root) as kubeconfig:
            bed = AutoscalerTestbed(space, _servers, root, kubeconfig)
            yield bed
            for autoscaler in bed.autoscalers:
                autoscaler.end(signal.SIGKILL)


def objects() -> list[str]:
    """Return the chart's account, API Deployment and HPA for fake nodes, as JSON."""
    rendered = render(**{
        "api.nodeSelector.type": "kwok", "api.tolerations[0].key": "type", "api.tolerations[0].operator": "Exists",
        "hpa.maxReplicas": MAX_PODS, "postgres.maxConnections": 10_000,
    })  # fmt: skip
    deployment = find_object(rendered, "Deployment", NAME)
    deployment["spec"]["replicas"] = MIN_PODS
    for container in [*pod_spec(deployment)["containers"], *pod_spec(deployment).get("initContainers", [])]:
        # Fake nodes have no ephemeral storage to request.
        container["resources"] = {"requests": {"cpu": "500m"}}
    hpa = find_object(rendered, "HorizontalPodAutoscaler", NAME)
    return [json.dumps(one) for one in (find_object(rendered, "ServiceAccount", "likewise"), deployment, hpa)]


@dataclass(frozen=True)
class Drill:
    """The recorded numbers, and the start of the demand on the recorder's clock."""

    recorder: Recorder
    start: float

    def first(self, steps: Steps, minimum: int) -> float:
        """Return when the number first was at least the minimum, in s after the rise."""
        return next(when for when, number in steps if number >= minimum) - self.start - RISE_S

    def numbers_after_rise(self, steps: Steps) -> list[int]:
        """Return the numbers from the rise on."""
        rise = self.start + RISE_S
        return [value_at(steps, rise), *(number for when, number in steps if when > rise)]

    def as_function(self, steps: Steps) -> Count:
        """Return the number as a function of the demand's time."""
        return lambda now: value_at(steps, self.start + now)


@contextmanager
def running_drill(testbed: AutoscalerTestbed, points: Points, *, hpa: str) -> Iterator[Drill]:
    """Start the demand when 100 pods are ready and the autoscaler is the leader. Wait for its end."""
    testbed.space.kubectl("scale", "deployment", NAME, f"--replicas={MIN_PODS}")
    fake_pods = FakePods.at(testbed.servers.settings.redis_urls, CAPACITY, queue_s=10)
    start = math.inf
    with (
        Recorder("hundreds", NAME, SELECTOR, hpa) as recorder,
        FakeLoad(fake_pods, recorder.ready_pods, lambda: demand_at(points, time.monotonic() - start)),
    ):
        eventually(lambda: mostly_ready(recorder, MIN_PODS), 60)
        # The pods report before the autoscaler starts, as in a real cluster.
        autoscaler = testbed.start(**SETTINGS, HPA=hpa)
        eventually(lambda: testbed.leader() == "one", 15)
        start = time.monotonic()
        yield Drill(recorder, start)
        eventually(lambda: time.monotonic() > start + points[-1][0], points[-1][0] + 1)
    assert autoscaler.end() == 0, autoscaler.log_text()


def mostly_ready(recorder: Recorder, pods: int) -> bool:
    """Tell whether that many pods exist, and nearly all are ready."""
    complete = value_at(recorder.existing, time.monotonic()) == pods
    return complete and len(recorder.ready_pods()) >= READY_SHARE * pods


def compare_with_simulator(drill: Drill, points: Points) -> dict[str, Any]:
    """Return the figures of the drill and of the simulator, with the same tuning and the measured start-up time."""
    tuning = Tuning.model_validate({name.lower(): value for name, value in SETTINGS.items()})
    pod_startup_s = median(drill.recorder.startup_times_s)
    simulated = simulate_demand(points, tuning, pod_startup_s, POST_SHARE)
    recorder, end = drill.recorder, points[-1][0]
    pairs = {
        "asked": (recorder.desired, lambda step: step.replicas),
        "existing": (recorder.existing, lambda step: step.existing),
        "ready": (recorder.ready, lambda step: step.ready),
    }
    return {
        "lead_s": round(pod_startup_s, 2),
        "first_change_s": round(drill.first(recorder.desired, MIN_PODS + 1), 2),
        "all_asked_s": round(drill.first(recorder.desired, MAX_PODS), 2),
        "mostly_ready_s": round(drill.first(recorder.ready, round(READY_SHARE * MAX_PODS)), 2),
        "asked": drill.numbers_after_rise(recorder.desired),
        "simulated": without_repeats([step.replicas for step in simulated]),
        "difference": {
            name: round(relative_difference(drill.as_function(steps), count_over_time(simulated, pods), 0, end), 4)
            for name, (steps, pods) in pairs.items()
        },
    }


def without_repeats(numbers: Sequence[int]) -> list[int]:
    """Return the numbers without consecutive repeats."""
    return [number for number, _ in groupby(numbers)]


def test_600_pods_are_requested_in_seconds_and_removed_as_the_simulator_predicts(testbed: AutoscalerTestbed) -> None:
    testbed.space.kubectl("delete", "hpa", NAME, "--ignore-not-found")
    points = demand(40, 105)
    with running_drill(testbed, points, hpa="") as drill:
        recorder = drill.recorder
        eventually(lambda: mostly_ready(recorder, MAX_PODS), RISE_S + 60)
        eventually(lambda: MIN_PODS <= recorder.desired[-1][1] == recorder.existing[-1][1] <= MAX_PODS_AFTER, 120)
    figures = compare_with_simulator(drill, points)
    if file := os.environ.get("LIKEWISE_DRILL_JSON"):
        Path(file).write_text(json.dumps(figures, indent=1) + "\n")
    assert figures["first_change_s"] <= MAX_FIRST_CHANGE_S, figures
    assert figures["all_asked_s"] <= MAX_ALL_REQUESTED_S, figures
    assert MIN_PODS <= recorder.desired[-1][1] <= MAX_PODS_AFTER, figures
    assert count_turns(drill.numbers_after_rise(recorder.desired)) == 1, figures
    assert max(figures["difference"][name] for name in ("asked", "existing")) <= 0.05, figures


def test_with_an_hpa_without_metrics_min_replicas_scales_up(testbed: AutoscalerTestbed) -> None:
    testbed.space.apply(objects()[-1])
    with running_drill(testbed, demand(15, 32), hpa=NAME) as drill:
        eventually(lambda: mostly_ready(drill.recorder, MAX_PODS), RISE_S + 60)
    recorder = drill.recorder
    assert drill.first(recorder.min_replicas, MIN_PODS + 1) <= MAX_FIRST_CHANGE_S
    assert drill.first(recorder.min_replicas, MAX_PODS) <= MAX_ALL_REQUESTED_S
    assert drill.first(recorder.desired, MAX_PODS) <= MAX_ALL_REQUESTED_S
    # The scale-down has started.
    assert MIN_PODS <= recorder.min_replicas[-1][1] < MAX_PODS
    assert count_turns(drill.numbers_after_rise(recorder.min_replicas)) == 1, recorder.min_replicas
    # An HPA without metrics removes no pods.
    assert count_turns(drill.numbers_after_rise(recorder.desired)) == 0, recorder.desired
    assert "FailedGetResourceMetric" in testbed.space.kubectl("describe", "hpa", NAME)
