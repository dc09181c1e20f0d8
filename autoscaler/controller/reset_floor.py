"""Reset the `minReplicas` that a dead autoscaler left behind, because an HPA never goes below it."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from autoscaler.controller.loop import wall_clock
from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import PrewarmError
from autoscaler.kubernetes.annotations import is_paused, prewarm_of
from autoscaler.kubernetes.events import EventApi
from autoscaler.kubernetes.lease_watch import ReadLease, Wait, is_renewed, since_renewal_s
from autoscaler.kubernetes.objects import FIELD_MANAGER, Workload
from autoscaler.kubernetes.targets import ScaleApi, baseline_of, hpa_of


class ResetApi(ScaleApi, EventApi, Protocol):
    """See `autoscaler.kubernetes.client.KubernetesApi`."""


def reset_floor(
    api: ResetApi,
    read_lease: ReadLease,
    settings: RunSettings,
    min_replicas: int,
    wall: Callable[[], datetime] = wall_clock,
    wait: Wait = time.sleep,
) -> str:
    """Set `minReplicas` back to the baseline, and return a sentence about it. Raises ClusterError's kinds.

    This changes only a value that an autoscaler wrote, and only if none has led for `leaderless_s`. A prewarm stays in
    force. The HPA then removes pods at its own pace.
    """
    if not settings.hpa:
        return "there is no HPA, and so no minReplicas: nothing to do"
    workload = api.deployment(settings.deployment)
    if is_paused(workload.annotations):
        return "paused by an operator: nothing is changed"
    if sign_of_life := _find_autoscaler(read_lease, settings, wall, wait):
        return f"{sign_of_life}: nothing to do"
    hpa = hpa_of(api, settings.hpa, settings.deployment)
    least = min(max(min_replicas, baseline_of(hpa), _prewarmed(workload, wall())), hpa.max_replicas)
    if FIELD_MANAGER not in hpa.writers or hpa.min_replicas <= least:
        present = f"HPA {hpa.name} has minReplicas {hpa.min_replicas}"
        return f"{present}, and no autoscaler raised it above {least}: nothing to do"
    api.set_min_replicas(hpa, least, {})
    message = (
        f"minReplicas {hpa.min_replicas} to {least}: no autoscaler has led for {settings.leaderless_s:g} s or more"
    )
    api.create_event(hpa, reason="FloorReset", message=message, warning=True, by="reset-floor")
    return f"HPA {hpa.name}: {message}"


def _find_autoscaler(read: ReadLease, settings: RunSettings, wall: Callable[[], datetime], wait: Wait) -> str:
    """Return a sentence if an autoscaler leads or led lately, else an empty string.

    An autoscaler whose clock is wrong is found by watching whether it renews the lease.
    """
    record = read()
    before_s = since_renewal_s(record, wall())
    if 0 <= before_s < settings.leaderless_s:
        return f"an autoscaler led {before_s:.0f} s ago"
    watch_s = (record.duration_s or settings.lease_s) + settings.renew_s
    return "an autoscaler leads" if is_renewed(read, record, watch_s, wait) else ""


def _prewarmed(workload: Workload, now: datetime) -> int:
    try:
        request = prewarm_of(workload.annotations)
    except PrewarmError:
        return 0
    return request.replicas if request and now < request.until else 0
