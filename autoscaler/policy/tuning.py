"""Define the constants of the decision, each with its unit and its reason. Pure.

A share is between 0 and 1. docs/explanation/autoscaler.md describes how the values were found.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Tuning(BaseModel):
    """The constants that `decide` and `decide_flushers` use."""

    model_config = ConfigDict(frozen=True)

    min_replicas: int = Field(default=2, ge=1, description="Minimum number of API pods. With two, one may fail.")
    max_replicas: int = Field(default=600, ge=1, description="Maximum number of API pods.")
    pod_capacity: float = Field(
        default=1_000, gt=0, description="Rate of a busy pod in requests/s, until it has been learned."
    )
    target_utilization: float = Field(
        default=0.66,
        gt=0,
        lt=1,
        description="Share of a pod's capacity to use. The rest covers a rise by half while new pods start.",
    )
    scale_up_utilization: float = Field(
        default=0.71,
        gt=0,
        lt=1,
        description="Utilization above which pods are added. The gap to the target keeps noise from adding pods.",
    )
    pod_startup_s: float = Field(
        default=10, gt=0, description="Time from a pod's creation to its first request, until it has been measured."
    )
    creation_per_s: float = Field(
        default=20, gt=0, description="Pods that the ReplicaSet controller creates per second."
    )
    queue_drain_s: float = Field(
        default=10, gt=0, description="Time to work off a queue. The like button gives up after 8 s."
    )
    max_scale_up_factor: float = Field(
        default=4,
        gt=1,
        description="Maximum factor of one scale-up. It limits the effect of a broken signal.",
    )
    stabilization_s: float = Field(
        default=30,
        gt=0,
        description="Time for which pods must be surplus before a scale-down. A lull between two waves is shorter.",
    )
    scale_down_period_s: float = Field(
        default=10, gt=0, description="Minimum time between two scale-downs, to see the effect of the first."
    )
    max_scale_down_share: float = Field(
        default=0.35,
        gt=0,
        lt=1,
        description="Maximum share of the pods to remove in one scale-down. 600 pods become 100 in 40 s.",
    )
    restart_stabilization_s: float = Field(
        default=300, ge=0, description="Time after a start without a scale-down, as long as an HPA's default window."
    )
    stale_s: float = Field(default=5, gt=0, description="Maximum age of a report. Pods report each second.")
    max_clock_skew_s: float = Field(
        default=1, ge=0, description="Reports from further in the future are ignored. Clocks differ by less."
    )
    max_missing_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of silent pods above which there is no scale-down."
    )
    warmup_s: float = Field(
        default=30, ge=0, description="Time after a pod's start that the learned capacity leaves out, as caches fill."
    )
    postgres_slots: int = Field(default=0, ge=0, description="Postgres connections for all API pods. 0: no limit.")
    postgres_per_pod: int = Field(default=4, ge=1, description="Connections of one pod to one database.")
    redis_clients: int = Field(default=0, ge=0, description="Connections of a Redis node for API pods. 0: no limit.")
    redis_per_pod: int = Field(default=4, ge=1, description="Connections of one pod to one Redis node.")
    min_flushers: int = Field(default=1, ge=1, description="Minimum number of flushers.")
    max_flushers: int = Field(default=8, ge=1, description="Maximum number of flushers.")
    flusher_capacity: float = Field(
        default=20_000, gt=0, description="Rate of a busy flusher in likes/s, until it has been learned."
    )
    max_pending_age_s: float = Field(
        default=2,
        gt=0,
        description="Age of the oldest pending like from which flushers are added. The p99 is to stay below it.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for low, high in (
            ("min_replicas", "max_replicas"),
            ("min_flushers", "max_flushers"),
            ("target_utilization", "scale_up_utilization"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is above {high} {getattr(self, high)}")
        return self


DEFAULTS = Tuning()
