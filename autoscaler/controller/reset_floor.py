"""What a dead autoscaler leaves behind: a floor that no HPA goes under. Another than the autoscaler lowers it."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from autoscaler.controller.loop import wall_clock
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import WishError
from autoscaler.kubernetes.annotations import is_paused, prewarm_of
from autoscaler.kubernetes.lease import Record
from autoscaler.kubernetes.objects import FIELD_MANAGER, Floor, Workload
from autoscaler.kubernetes.presence import Wait, is_renewed, silent_s
from autoscaler.kubernetes.targets import base_of, floor_of


class Api(Protocol):
    """See `autoscaler.kubernetes.client.Cluster`."""

    def deployment(self, name: str) -> Workload: ...

    def floor(self, name: str) -> Floor: ...

    def set_floor(self, floor: Floor, least: int, annotations: dict[str, str | None]) -> Floor: ...

    def say(self, about: Workload | Floor, *, reason: str, message: str, warning: bool, by: str) -> None: ...


def lower(
    api: Api,
    read: Callable[[], Record],
    settings: RunSettings,
    base: int,
    wall: Callable[[], datetime] = wall_clock,
    wait: Wait = time.sleep,
) -> str:
    """Take the floor back to the base, and say in a sentence what was done. Raises ClusterError's kinds.

    Only a floor that an autoscaler wrote, and only where none has led for `lost_s`; not below what people have asked
    for. The HPA then takes pods away as slowly as it always does.
    """
    if not settings.hpa:
        return "there is no HPA, and so no floor: nothing to do"
    workload = api.deployment(settings.deployment)
    if is_paused(workload.annotations):
        return "paused by people: nothing is changed"
    if there := _who_is_there(read, settings, wall, wait):
        return f"{there}: nothing to do"
    floor = floor_of(api, settings.hpa, settings.deployment)
    least = min(max(base, base_of(floor), _wished(workload, wall())), floor.most)
    if FIELD_MANAGER not in floor.writers or floor.least <= least:
        return f"HPA {floor.name} has the floor {floor.least}, and none is left behind above {least}: nothing to do"
    api.set_floor(floor, least, {})
    message = f"floor {floor.least} to {least}: no autoscaler has led for {settings.lost_s:g} s or more"
    api.say(floor, reason="FloorLowered", message=message, warning=True, by="lower")
    return f"HPA {floor.name}: {message}"


def _who_is_there(read: Callable[[], Record], settings: RunSettings, wall: Callable[[], datetime], wait: Wait) -> str:
    """That an autoscaler is, or was lately; or ''. One whose clock is ahead, or behind, shows by what it writes."""
    record = read()
    before_s = silent_s(record, wall())
    if 0 <= before_s < settings.lost_s:
        return f"an autoscaler was there {before_s:.0f} s ago"
    renewed = is_renewed(read, record, (record.duration_s or settings.lease_s) + settings.renew_s, wait)
    return "an autoscaler is there" if renewed else ""


def _wished(workload: Workload, now: datetime) -> int:
    try:
        wish = prewarm_of(workload.annotations)
    except WishError:
        return 0
    return wish.replicas if wish and now < wish.until else 0
