"""Who is there, as the Lease shows to `lower` and `status`, whatever anybody's clock says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from autoscaler.controller.reset_floor import lower
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import MismatchError
from autoscaler.kubernetes.annotations import PAUSED, PREWARM
from autoscaler.kubernetes.lease import Record
from autoscaler.kubernetes.presence import leader
from tests.support.fake_kubernetes import API, NOON, FakeApi

SETTINGS = RunSettings()
HOUR = timedelta(hours=1)


class Watched:
    """A Lease that was renewed `ago`, by the holder's clock; one that is alive renews it while it is watched."""

    def __init__(self, ago: timedelta, *, alive: bool = False, holder: str = "one") -> None:
        self.record = Record(holder, NOON - ago, 0, "1", 8.0)
        self.alive = alive
        self.waited_s = 0.0

    def read(self) -> Record:
        return self.record

    def wait(self, seconds: float) -> None:
        self.waited_s += seconds
        if self.alive and self.record.renewed:
            self.record = replace(self.record, renewed=self.record.renewed + timedelta(seconds=seconds))


def left(least: int = 25) -> FakeApi:
    """An API with a floor that an autoscaler has left behind."""
    api = FakeApi()
    api.floors[API] = replace(api.floors[API], least=least)
    return api


def lowered(api: FakeApi, lease: Watched | None = None, settings: RunSettings = SETTINGS) -> str:
    lease = lease or Watched(HOUR)
    return lower(api, lease.read, settings, 2, lambda: NOON, lease.wait)


def test_a_floor_that_was_left_goes_back_to_the_base_and_that_is_said():
    api = left()
    assert lowered(api) == "HPA likewise-api: floor 25 to 2: no autoscaler has led for 300 s or more"
    assert (api.calls, api.reasons()) == ([("floor", 2)], ["FloorLowered"])


@pytest.mark.parametrize(
    ("ago", "alive", "least"),
    [
        (HOUR, False, 2),
        (timedelta(seconds=299), False, 25),
        (-5 * HOUR, False, 2),  # dead, and its clock was five hours ahead
        (-5 * HOUR, True, 25),
        (5 * HOUR, True, 25),  # alive, and its clock is five hours behind
    ],
)
def test_an_autoscaler_that_is_there_keeps_its_floor_whatever_its_clock_says(ago, alive, least):
    api = left()
    said = lowered(api, Watched(ago, alive=alive))
    assert api.floors[API].least == least
    assert ("nothing to do" in said) is (least == 25)


def test_where_no_lease_was_ever_there_a_floor_is_lowered_too():
    lease = Watched(HOUR)
    lease.record = Record("", None)
    assert "floor 25 to 2" in lowered(left(), lease)


@pytest.mark.parametrize(("until", "least"), [(NOON + HOUR, 25), (NOON - HOUR, 2)])
def test_what_people_asked_for_is_kept_until_its_time(until, least):
    api = left(28)
    api.edit(API, annotations={PREWARM: f"25 until {until:%Y-%m-%dT%H:%M:%SZ}"})
    lowered(api)
    assert api.floors[API].least == least


def test_a_wish_is_kept_within_the_ceiling_and_one_that_can_not_be_read_is_none():
    api = left(30)
    api.edit(API, annotations={PREWARM: "900 until 2099-01-01T00:00:00Z"})
    assert "nothing to do" in lowered(api)
    api.edit(API, annotations={PREWARM: "lots"})
    assert "floor 30 to 2" in lowered(api)


def test_others_base_is_kept():
    api = left()
    api.floors[API] = replace(api.floors[API], annotations={"likewise/base": "7"})
    lowered(api)
    assert api.floors[API].least == 7


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        (lambda api: api.edit(API, annotations={PAUSED: "yes"}), SETTINGS, "paused by people: nothing is changed"),
        (lambda api: None, RunSettings(hpa=""), "there is no HPA, and so no floor: nothing to do"),
        (
            lambda api: api.edit_floor(25, "helm"),
            SETTINGS,
            "HPA likewise-api has the floor 25, and none is left behind above 25: nothing to do",
        ),
    ],
)
def test_what_is_not_an_autoscalers_or_paused_is_left(
    change: Callable[[FakeApi], None], settings: RunSettings, sentence: str
):
    api = left()
    change(api)
    assert lowered(api, settings=settings) == sentence
    assert (api.calls, api.said) == ([], [])


def test_the_hpa_of_another_deployment_is_left():
    api = left()
    api.floors[API] = replace(api.floors[API], target="Deployment/shop")
    with pytest.raises(MismatchError):
        lowered(api)
    assert api.calls == []


@pytest.mark.parametrize(
    ("lease", "holder", "waits"),
    [
        (Watched(timedelta(seconds=7)), "one", False),
        (Watched(timedelta(seconds=-1)), "one", False),
        (Watched(timedelta(seconds=9)), "", True),
        (Watched(timedelta(minutes=5), alive=True), "one", True),  # by a laptop whose clock is ahead
        (Watched(timedelta(minutes=-5), alive=True), "one", True),
        (Watched(timedelta(minutes=-5)), "", True),
        (Watched(HOUR, holder=""), "", False),
    ],
)
def test_who_leads_is_told_by_the_leases_own_duration_and_by_looking_twice(lease, holder, waits):
    assert leader(lease.read, NOON, 1.0, lease.wait) == holder
    assert lease.waited_s == pytest.approx(9.0 if waits and not lease.alive else 1.0 if waits else 0.0)
