"""The startup time of pods: measured once after a scale-up, without delaying one."""

import pytest

from autoscaler.errors import ConflictError, ForbiddenError, ThrottledError
from tests.support.autoscaler.fake_kubernetes import API, TUNING, FakeKubernetesApi, Rounds, fail_calls

# Their median is 6, and a first measurement has a weight of three tenths.
STARTUP_TIMES_S = [4.0, 6.0, 20.0]
SMOOTHED_S = TUNING.pod_startup_s + 0.3 * (6.0 - TUNING.pod_startup_s)


def scaled_up(api: FakeKubernetesApi | None = None) -> Rounds:
    """Return rounds a second after a scale-up to 8 pods, which have just been measured."""
    rounds = Rounds(api=api or FakeKubernetesApi())
    rounds.go(8)
    rounds.api.startup_times_s = STARTUP_TIMES_S
    rounds.demand = 5_000
    rounds.go(2)
    return rounds


def pod_startup_s(rounds: Rounds) -> float:
    return rounds.loop.reconcilers[API]._state.pod_startup_s


def test_the_startup_time_is_measured_once_after_a_scale_up_and_smoothed():
    rounds = scaled_up()
    assert rounds.api.pod_lists == 1
    # Longer than the window of the slope: two jumps within it are a rise.
    rounds.go(40)
    assert pod_startup_s(rounds) == pytest.approx(SMOOTHED_S)
    assert rounds.api.pod_lists == 1
    rounds.demand = 10_000
    rounds.go(3)
    assert rounds.api.pod_lists == 2


@pytest.mark.parametrize("suppressed_by", ["paused", "another leads", "dry run"])
def test_no_pods_are_listed_while_nothing_may_be_written(suppressed_by):
    rounds = Rounds()
    if suppressed_by == "paused":
        rounds.api.edit(API, annotations={"autoscaler.likewise.dev/paused": "yes"})
    else:
        rounds.suppressed_by = suppressed_by
    rounds.demand = 8_000
    rounds.go(60)
    assert (rounds.api.writes, rounds.api.pod_lists) == ([], 0)


def test_no_pods_are_listed_after_an_external_change():
    rounds = scaled_up()
    rounds.api.edit_hpa(4, "kubectl-edit")
    rounds.go(1)
    lists = rounds.api.pod_lists
    rounds.go(20)
    assert rounds.api.pod_lists == lists


@pytest.mark.parametrize("error", [ForbiddenError("no permission"), ThrottledError("busy")])
def test_a_failed_list_does_not_stop_a_scale_up_and_is_not_repeated_each_round(error):
    api = FakeKubernetesApi()
    fail_calls(api, "pod_startup_times_s", error)
    rounds = scaled_up(api)
    assert rounds.api.pod_lists == 1
    rounds.demand = 10_000
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas >= 15
    assert rounds.loop.first_error == ""
    rounds.go(5)
    assert rounds.api.pod_lists == 2
    assert pod_startup_s(rounds) == TUNING.pod_startup_s


def test_a_conflict_does_not_lose_a_measurement():
    rounds = scaled_up()
    fail_calls(rounds.api, "set_min_replicas", ConflictError("HPA"), times=2)
    rounds.demand = 10_000
    rounds.go(1)
    assert rounds.api.hpas[API].min_replicas >= 15
    assert pod_startup_s(rounds) == pytest.approx(SMOOTHED_S)
