"""The input of a decision, built from the state of a target and the load reports."""

import math
from dataclasses import replace

import pytest

from autoscaler.controller.observe import ExpectedPods, build_observation
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.targets import TargetState
from autoscaler.signals.signals import Backlog, Signals
from tests.support.autoscaler.fake_kubernetes import API, NOON, TUNING, FakeKubernetesApi


@pytest.mark.parametrize("backlog", [{"pending": math.inf}, {"pending": math.nan}, {"late_s": 60}, {"late_s": -60}])
def test_an_old_or_impossible_backlog_is_ignored(backlog):
    now = 1_000.0
    reported = Backlog(now - backlog.get("late_s", 0.0), backlog.get("pending", 500.0), 0.1, 100)
    assert observed_pending(reported, now) is None
    assert observed_pending(Backlog(now - 1, 500, 0.1, 100), now) == 500


def observed_pending(backlog: Backlog, now: float) -> float | None:
    api = FakeKubernetesApi()
    signals = Signals((), (), backlog)
    state = TargetState(api.workloads[API], api.hpas[API])
    return build_observation(state, signals, now, NOON, TUNING, expected=0, pod_startup_s=None).pending


def test_pods_are_expected_to_report_once_they_were_ready_for_long_enough():
    expected = ExpectedPods.within(5)
    assert [expected.observe(now, deployment(3)) for now in range(7)] == [0, 0, 0, 0, 0, 3, 3]
    assert [expected.observe(7 + now, deployment(10)) for now in range(6)] == [3, 3, 3, 3, 3, 10]
    assert expected.observe(13, deployment(4)) == 4


def test_terminating_pods_are_not_expected_to_report():
    expected = ExpectedPods.within(5)
    assert [expected.observe(now, deployment(600)) for now in (0, 5)] == [0, 600]
    assert expected.observe(6, deployment(600, desired=390)) == 390


def deployment(ready: int, desired: int | None = None) -> Workload:
    replicas = ready if desired is None else desired
    return replace(FakeKubernetesApi().workloads[API], ready=ready, replicas=replicas)
