"""From 100 pods to 600 and back, on fake nodes (KWOK): how fast, without a reversal, and as the simulator says.

The pods are the chart's, on nodes that only pretend to run them: Deployment, scheduler and HPA are real, and what pods
would tell of themselves is told for them. `LIKEWISE_DRILL_JSON` names a file to keep the figures in.
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
from bench.scaling.paper import Count, Points, difference, over_time, reversals, simulated
from bench.scaling.recorder import Recorder, Steps, at
from tests.support.chart import find_object, pod_spec, render
from tests.support.cluster.autoscalers import NAME, Stage, account_of, rights
from tests.support.cluster.fake_load import Crowd, Pretending, demand_at
from tests.support.cluster.fake_nodes import beating, fake_nodes
from tests.support.cluster.kubectl import eventually, namespace
from tests.support.servers import Servers

SELECTOR = "app.kubernetes.io/component=api"
LEAST, MOST, CAPACITY = 100, 600, 30.0  # of a pod, in requests/s: the story's
BACK = 110  # what is less than a tenth too many stays
CALM, PEAK = 1_900.0, 12_500.0  # requests/s: 96 and 632 pods are needed
RISE_S = 10.0  # after which the demand rises, within a second
POST_SHARE = 0.9  # of the requests are one post's, as the crowd tells
MOSTLY = 0.98  # of the pods: KWOK forgets one at times
FIRST_S, ALL_S = 5.0, 10.0  # after the rise: the first change, and all pods asked for
QUICK = {  # the defaults hold 30 s, release each 10 s, and nothing in the first 5 minutes: too long for a test
    "STABILIZATION_S": "5", "SCALE_DOWN_PERIOD_S": "4", "RESTART_STABILIZATION_S": "0",
}  # fmt: skip
SETTINGS = QUICK | {"MIN_REPLICAS": str(LEAST), "MAX_REPLICAS": str(MOST), "POD_CAPACITY": str(CAPACITY)}


def demand(fall_s: float, end_s: float) -> list[tuple[float, float]]:
    """`(s, requests/s)`: a calm, a rise as of a push message, and its end."""
    rise = [(0.0, CALM), (RISE_S, CALM), (RISE_S + 1, PEAK)]
    return [*rise, (fall_s, PEAK), (fall_s + 5, CALM), (end_s, CALM)]


@pytest.fixture(scope="module")
def stage(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    nodes = fake_nodes()
    if (room := sum(nodes.values())) < MOST:
        pytest.skip(
            f"nodes labelled type=kwok have room for {room} pods, {MOST} are wanted: see tests/cluster/README.md"
        )
    root = tmp_path_factory.mktemp("hundreds")
    with beating(nodes), namespace("hundreds") as space:
        space.apply(*rights("hundreds"), *objects())
        with account_of(space, root) as kubeconfig:
            made = Stage(space, _servers, root, kubeconfig)
            yield made
            for scaler in made.scalers:
                scaler.end(signal.SIGKILL)


def objects() -> list[str]:
    """The chart's API pods and HPA, for fake nodes."""
    made = render(**{
        "api.nodeSelector.type": "kwok", "api.tolerations[0].key": "type", "api.tolerations[0].operator": "Exists",
        "hpa.maxReplicas": MOST, "postgres.maxConnections": 10_000,
    })  # fmt: skip
    deployment = find_object(made, "Deployment", NAME)
    deployment["spec"]["replicas"] = LEAST
    for container in [*pod_spec(deployment)["containers"], *pod_spec(deployment).get("initContainers", [])]:
        container["resources"] = {"requests": {"cpu": "500m"}}  # fake nodes have no disk
    hpa = find_object(made, "HorizontalPodAutoscaler", NAME)
    return [json.dumps(one) for one in (find_object(made, "ServiceAccount", "likewise"), deployment, hpa)]


@dataclass(frozen=True)
class Drill:
    """What was recorded, and when the demand began, on the recorder's clock."""

    recorder: Recorder
    began: float

    def first(self, steps: Steps, least: int) -> float:
        """When the number was at least so much, in s after the rise."""
        return next(when for when, number in steps if number >= least) - self.began - RISE_S

    def numbers(self, steps: Steps) -> list[int]:
        """From the rise on."""
        rise = self.began + RISE_S
        return [at(steps, rise), *(number for when, number in steps if when > rise)]

    def count(self, steps: Steps) -> Count:
        """As a function of the demand's time."""
        return lambda now: at(steps, self.began + now)


@contextmanager
def drilled(stage: Stage, points: Points, *, hpa: str) -> Iterator[Drill]:
    """The demand, from when 100 pods are ready and the autoscaler leads; over by the end of the block."""
    stage.space.kubectl("scale", "deployment", NAME, f"--replicas={LEAST}")
    crowd = Crowd.at(stage.servers.settings.redis_urls, CAPACITY, queue_s=10)
    began = math.inf
    with (
        Recorder("hundreds", NAME, SELECTOR, hpa) as recorder,
        Pretending(crowd, recorder.ready_pods, lambda: demand_at(points, time.monotonic() - began)),
    ):
        eventually(lambda: mostly_ready(recorder, LEAST), 60)
        scaler = stage.start(**SETTINGS, HPA=hpa)  # as in life: the pods were there before it, and tell
        eventually(lambda: stage.leader() == "one", 15)
        began = time.monotonic()
        yield Drill(recorder, began)
        eventually(lambda: time.monotonic() > began + points[-1][0], points[-1][0] + 1)
    assert scaler.end() == 0, scaler.said()


def mostly_ready(recorder: Recorder, asked: int) -> bool:
    """Whether so many pods are there, and nearly all are ready."""
    there = at(recorder.existing, time.monotonic()) == asked
    return there and len(recorder.ready_pods()) >= MOSTLY * asked


def on_paper(drill: Drill, points: Points) -> dict[str, Any]:
    """The drill's figures beside the simulator's, with the same tuning and the lead time that was seen."""
    tuning = Tuning.model_validate({name.lower(): value for name, value in SETTINGS.items()})
    pod_startup_s = median(drill.recorder.leads_s)
    moments = simulated(points, tuning, pod_startup_s, POST_SHARE)
    recorder, end = drill.recorder, points[-1][0]
    pairs = {
        "asked": (recorder.asked, lambda moment: moment.asked),
        "existing": (recorder.existing, lambda moment: moment.existing),
        "ready": (recorder.ready, lambda moment: moment.ready),
    }
    return {
        "lead_s": round(pod_startup_s, 2),
        "first_change_s": round(drill.first(recorder.asked, LEAST + 1), 2),
        "all_asked_s": round(drill.first(recorder.asked, MOST), 2),
        "mostly_ready_s": round(drill.first(recorder.ready, round(MOSTLY * MOST)), 2),
        "asked": drill.numbers(recorder.asked),
        "simulated": changes([moment.asked for moment in moments]),
        "difference": {
            name: round(difference(drill.count(steps), over_time(moments, pods), 0, end), 4)
            for name, (steps, pods) in pairs.items()
        },
    }


def changes(numbers: Sequence[int]) -> list[int]:
    """Without those that stand twice in a row."""
    return [number for number, _ in groupby(numbers)]


def test_600_pods_are_asked_for_in_seconds_and_given_back_as_the_simulator_says(stage: Stage) -> None:
    stage.space.kubectl("delete", "hpa", NAME, "--ignore-not-found")
    points = demand(40, 105)
    with drilled(stage, points, hpa="") as drill:
        recorder = drill.recorder
        eventually(lambda: mostly_ready(recorder, MOST), RISE_S + 60)
        eventually(lambda: LEAST <= recorder.asked[-1][1] == recorder.existing[-1][1] <= BACK, 120)
    figures = on_paper(drill, points)
    if file := os.environ.get("LIKEWISE_DRILL_JSON"):
        Path(file).write_text(json.dumps(figures, indent=1) + "\n")
    assert figures["first_change_s"] <= FIRST_S, figures
    assert figures["all_asked_s"] <= ALL_S, figures
    assert LEAST <= recorder.asked[-1][1] <= BACK, figures
    assert reversals(drill.numbers(recorder.asked)) == 1, figures
    assert max(figures["difference"][name] for name in ("asked", "existing")) <= 0.05, figures


def test_beside_an_hpa_without_metrics_the_floor_does_all_of_it(stage: Stage) -> None:
    stage.space.apply(objects()[-1])
    with drilled(stage, demand(15, 32), hpa=NAME) as drill:
        eventually(lambda: mostly_ready(drill.recorder, MOST), RISE_S + 60)
    recorder = drill.recorder
    assert drill.first(recorder.floor, LEAST + 1) <= FIRST_S
    assert drill.first(recorder.floor, MOST) <= ALL_S
    assert drill.first(recorder.asked, MOST) <= ALL_S
    assert LEAST <= recorder.floor[-1][1] < MOST  # on its way back
    assert reversals(drill.numbers(recorder.floor)) == 1, recorder.floor
    assert reversals(drill.numbers(recorder.asked)) == 0, recorder.asked  # who sees no CPU takes no pod away
    assert "FailedGetResourceMetric" in stage.space.kubectl("describe", "hpa", NAME)
