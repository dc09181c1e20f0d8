"""From a target and the signals to what the decision looks at."""

import math
from dataclasses import replace

import pytest

from autoscaler.controller.observe import Expected, observed
from autoscaler.kubernetes.objects import Workload
from autoscaler.kubernetes.targets import Seen
from autoscaler.signals.signals import Backlog, Signals
from tests.support.fake_kubernetes import API, NOON, TUNING, FakeApi


@pytest.mark.parametrize("backlog", [{"pending": math.inf}, {"pending": math.nan}, {"late_s": 60}, {"late_s": -60}])
def test_what_waits_is_not_believed_when_old_or_impossible(backlog):
    now = 1_000.0
    told = Backlog(now - backlog.get("late_s", 0.0), backlog.get("pending", 500.0), 0.1, 100)
    assert observed_pending(told, now) is None
    assert observed_pending(Backlog(now - 1, 500, 0.1, 100), now) == 500


def observed_pending(backlog: Backlog, now: float) -> float | None:
    api = FakeApi()
    signals = Signals((), (), backlog)
    seen = Seen(api.workloads[API], api.floors[API])
    return observed(seen, signals, now, NOON, TUNING, expected=0, lead_s=None).pending


def test_pods_are_expected_once_they_were_ready_for_long_enough():
    expected = Expected.within(5)
    assert [expected.look(now, ready(3)) for now in range(7)] == [0, 0, 0, 0, 0, 3, 3]
    assert [expected.look(7 + now, ready(10)) for now in range(6)] == [3, 3, 3, 3, 3, 10]
    assert expected.look(13, ready(4)) == 4


def test_pods_that_are_not_asked_for_any_more_are_not_expected():
    expected = Expected.within(5)
    assert [expected.look(now, ready(600)) for now in (0, 5)] == [0, 600]
    assert expected.look(6, ready(600, asked=390)) == 390


def ready(pods: int, asked: int | None = None) -> Workload:
    return replace(FakeApi().workloads[API], ready=pods, replicas=pods if asked is None else asked)
