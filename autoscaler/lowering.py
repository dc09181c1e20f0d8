"""What a dead autoscaler leaves behind: a floor that no HPA goes under. Another than the autoscaler lowers it."""

from collections.abc import Callable
from datetime import UTC, datetime

from autoscaler.annotations import is_paused
from autoscaler.cluster import Cluster
from autoscaler.lease import Record
from autoscaler.loop import wall_clock
from autoscaler.objects import FIELD_MANAGER
from autoscaler.run_settings import RunSettings
from autoscaler.targets import base_of


def lower(
    cluster: Cluster, lease: Record, settings: RunSettings, base: int, wall: Callable[[], datetime] = wall_clock
) -> str:
    """Take the floor back to the base, and say in a sentence what was done. Raises ClusterError's kinds.

    Only a floor that an autoscaler wrote, and only where none has led for `lost_s`; the HPA then takes pods away as
    slowly as it always does.
    """
    silent_s = (wall() - lease.renewed.astimezone(UTC)).total_seconds() if lease.renewed else float("inf")
    if silent_s < settings.lost_s:
        return f"an autoscaler was there {max(0.0, silent_s):.0f} s ago: nothing to do"
    if not settings.hpa:
        return "there is no HPA, and so no floor: nothing to do"
    if is_paused(cluster.deployment(settings.deployment).annotations):
        return "paused by people: nothing is changed"
    floor = cluster.floor(settings.hpa)
    least = min(max(base, base_of(floor)), floor.most)
    if FIELD_MANAGER not in floor.writers or floor.least <= least:
        return f"HPA {floor.name} has the floor {floor.least}, which no autoscaler left behind: nothing to do"
    cluster.set_floor(floor, least, {})
    message = f"floor {floor.least} to {least}: no autoscaler has led for {settings.lost_s:g} s or more"
    cluster.say(floor, reason="FloorLowered", message=message, warning=True, by="lower")
    return f"HPA {floor.name}: {message}"
