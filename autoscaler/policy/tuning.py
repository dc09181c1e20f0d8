"""What the decision is tuned by: each constant with its unit and its reason. Pure.

A share is of 1. How the values were found, and on which traces, is in docs/explanation/autoscaler.md.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Tuning(BaseModel):
    """Everything `decide` needs besides its state and what it observes."""

    model_config = ConfigDict(frozen=True)

    min_replicas: int = Field(default=2, ge=1, description="Pods that are kept in any case: one may die.")
    max_replicas: int = Field(default=600, ge=1, description="Pods that are never exceeded.")
    pod_capacity: float = Field(
        default=1_000, gt=0, description="Requests/s of a busy pod, until pods have shown their own."
    )
    target_utilisation: float = Field(
        default=0.66,
        gt=0,
        lt=1,
        description="Share of its capacity a pod is to use: half as much again is then met while new pods start.",
    )
    raise_utilisation: float = Field(
        default=0.71,
        gt=0,
        lt=1,
        description="Share from which pods are added; from the target on nothing changes, so that chance adds none.",
    )
    lead_s: float = Field(
        default=10, gt=0, description="From a pod's creation to its first requests, until pods have shown their own."
    )
    creation_per_s: float = Field(default=20, gt=0, description="Pods a second that the ReplicaSet controller makes.")
    drain_s: float = Field(
        default=10, gt=0, description="Time in which waiting requests are to be served; the button gives up after 8 s."
    )
    raise_factor: float = Field(
        default=4,
        gt=1,
        description="Times the pods asked for, at most, in one decision: a broken signal goes no further.",
    )
    hold_s: float = Field(
        default=30,
        gt=0,
        description="Pods are released once they were too many for so long: a lull between two waves is shorter.",
    )
    release_every_s: float = Field(
        default=10, gt=0, description="Time between two releases: enough to see what the last one did."
    )
    release_share: float = Field(
        default=0.35,
        gt=0,
        lt=1,
        description="Share of the pods that go in one release: 600 are 100 after 40 s; they are made in 25.",
    )
    restart_hold_s: float = Field(
        default=300, ge=0, description="After a start nothing is released for so long: an HPA's memory of the past."
    )
    stale_s: float = Field(
        default=5, gt=0, description="Figures older than this are not believed: pods write each second."
    )
    future_s: float = Field(
        default=1, ge=0, description="Figures from further ahead are not believed: clocks differ by less."
    )
    partial_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of silent pods from which nothing is released."
    )
    warm_s: float = Field(
        default=30, ge=0, description="A pod's first seconds, of which its capacity is not learned: caches fill."
    )
    postgres_slots: int = Field(default=0, ge=0, description="Connections Postgres has for API pods; 0: no limit.")
    postgres_per_pod: int = Field(default=4, ge=1, description="Connections of one pod to one database.")
    redis_clients: int = Field(default=0, ge=0, description="Connections a Redis node has for API pods; 0: no limit.")
    redis_per_pod: int = Field(default=4, ge=1, description="Connections of one pod to one Redis node.")
    min_flushers: int = Field(default=1, ge=1, description="Flushers that are kept in any case.")
    max_flushers: int = Field(default=8, ge=1, description="Flushers that are never exceeded.")
    flusher_capacity: float = Field(
        default=20_000, gt=0, description="Likes/s of a busy flusher, until flushers have shown their own."
    )
    flush_age_s: float = Field(
        default=2,
        gt=0,
        description="Age of the oldest pending like from which flushers are too few: p99 is to be below.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for low, high in (
            ("min_replicas", "max_replicas"),
            ("min_flushers", "max_flushers"),
            ("target_utilisation", "raise_utilisation"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is above {high} {getattr(self, high)}")
        return self


DEFAULTS = Tuning()
