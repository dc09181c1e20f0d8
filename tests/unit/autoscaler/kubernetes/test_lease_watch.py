"""The leader as `reset-floor` and `status` find it from the Lease, even with wrong clocks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from autoscaler.controller.reset_floor import reset_floor
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import MismatchError
from autoscaler.kubernetes.annotations import PAUSED, PREWARM
from autoscaler.kubernetes.lease import LeaseRecord
from autoscaler.kubernetes.lease_watch import find_leader
from tests.support.autoscaler.fake_kubernetes import API, NOON, FakeKubernetesApi

SETTINGS = RunSettings()
HOUR = timedelta(hours=1)


class FakeLease:
    """A Lease that was renewed `ago`, by the holder's clock. A live holder renews it while it is watched."""

    def __init__(self, ago: timedelta, *, alive: bool = False, holder: str = "one") -> None:
        self.record = LeaseRecord(holder, NOON - ago, 0, "1", 8.0)
        self.alive = alive
        self.waited_s = 0.0

    def read(self) -> LeaseRecord:
        return self.record

    def wait(self, seconds: float) -> None:
        self.waited_s += seconds
        if self.alive and self.record.renewed:
            self.record = replace(self.record, renewed=self.record.renewed + timedelta(seconds=seconds))


def api_with_raised_minimum(min_replicas: int = 25) -> FakeKubernetesApi:
    """Return an API with `minReplicas` that an autoscaler has left behind."""
    api = FakeKubernetesApi()
    api.hpas[API] = replace(api.hpas[API], min_replicas=min_replicas)
    return api


def reset(api: FakeKubernetesApi, lease: FakeLease | None = None, settings: RunSettings = SETTINGS) -> str:
    lease = lease or FakeLease(HOUR)
    return reset_floor(api, lease.read, settings, 2, lambda: NOON, lease.wait)


def test_min_replicas_of_a_dead_autoscaler_are_reset_with_an_event():
    api = api_with_raised_minimum()
    assert reset(api) == "HPA likewise-api: minReplicas 25 to 2: no autoscaler has led for 300 s or more"
    assert (api.writes, api.reasons()) == ([("hpa", 2)], ["FloorReset"])


@pytest.mark.parametrize(
    ("ago", "alive", "min_replicas"),
    [
        (HOUR, False, 2),
        (timedelta(seconds=299), False, 25),
        # Dead, with a clock that was five hours ahead.
        (-5 * HOUR, False, 2),
        (-5 * HOUR, True, 25),
        # Alive, with a clock that is five hours behind.
        (5 * HOUR, True, 25),
    ],
)
def test_a_live_autoscaler_keeps_its_min_replicas_even_with_a_wrong_clock(ago, alive, min_replicas):
    api = api_with_raised_minimum()
    message = reset(api, FakeLease(ago, alive=alive))
    assert api.hpas[API].min_replicas == min_replicas
    assert ("nothing to do" in message) is (min_replicas == 25)


def test_min_replicas_are_reset_without_a_lease():
    lease = FakeLease(HOUR)
    lease.record = LeaseRecord("", None)
    assert "minReplicas 25 to 2" in reset(api_with_raised_minimum(), lease)


@pytest.mark.parametrize(("until", "min_replicas"), [(NOON + HOUR, 25), (NOON - HOUR, 2)])
def test_a_prewarm_is_kept_until_its_end(until, min_replicas):
    api = api_with_raised_minimum(28)
    api.edit(API, annotations={PREWARM: f"25 until {until:%Y-%m-%dT%H:%M:%SZ}"})
    reset(api)
    assert api.hpas[API].min_replicas == min_replicas


def test_a_prewarm_is_limited_by_the_hpa_and_ignored_if_it_cannot_be_read():
    api = api_with_raised_minimum(30)
    api.edit(API, annotations={PREWARM: "900 until 2099-01-01T00:00:00Z"})
    assert "nothing to do" in reset(api)
    api.edit(API, annotations={PREWARM: "lots"})
    assert "minReplicas 30 to 2" in reset(api)


def test_an_external_baseline_is_kept():
    api = api_with_raised_minimum()
    api.hpas[API] = replace(api.hpas[API], annotations={"autoscaler.likewise.dev/baseline": "7"})
    reset(api)
    assert api.hpas[API].min_replicas == 7


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        (lambda api: api.edit(API, annotations={PAUSED: "yes"}), SETTINGS, "paused by an operator: nothing is changed"),
        (lambda api: None, RunSettings(hpa=""), "there is no HPA, and so no minReplicas: nothing to do"),
        (
            lambda api: api.edit_hpa(25, "helm"),
            SETTINGS,
            "HPA likewise-api has minReplicas 25, and no autoscaler raised it above 25: nothing to do",
        ),
    ],
)
def test_other_values_and_a_paused_autoscaler_are_not_reset(
    change: Callable[[FakeKubernetesApi], None], settings: RunSettings, sentence: str
):
    api = api_with_raised_minimum()
    change(api)
    assert reset(api, settings=settings) == sentence
    assert (api.writes, api.events) == ([], [])


def test_the_hpa_of_another_deployment_is_not_reset():
    api = api_with_raised_minimum()
    api.hpas[API] = replace(api.hpas[API], target="Deployment/shop")
    with pytest.raises(MismatchError):
        reset(api)
    assert api.writes == []


@pytest.mark.parametrize(
    ("lease", "holder", "waits"),
    [
        (FakeLease(timedelta(seconds=7)), "one", False),
        (FakeLease(timedelta(seconds=-1)), "one", False),
        (FakeLease(timedelta(seconds=9)), "", True),
        # A laptop reads it, whose clock is ahead.
        (FakeLease(timedelta(minutes=5), alive=True), "one", True),
        (FakeLease(timedelta(minutes=-5), alive=True), "one", True),
        (FakeLease(timedelta(minutes=-5)), "", True),
        (FakeLease(HOUR, holder=""), "", False),
    ],
)
def test_the_leader_is_found_by_the_duration_of_the_lease_and_by_watching_it(lease, holder, waits):
    assert find_leader(lease.read, NOON, 1.0, lease.wait) == holder
    assert lease.waited_s == pytest.approx(9.0 if waits and not lease.alive else 1.0 if waits else 0.0)
