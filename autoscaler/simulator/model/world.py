"""The world a policy is tried in: what pods, clients and clusters do, each figure with its unit and its source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class World:
    """Times in s, rates in requests/s, shares of 1."""

    capacity: float = 30.0  # requests/s of a busy pod: 600 of them then serve the story's viral post
    min_replicas: int = 2
    max_replicas: int = 600
    start_s: float = 3.0  # from a pod's creation to its readiness: measured in a cluster with the image present
    warmup_s: float = 5.0  # until it serves in full
    cold_share: float = 0.5  # of its capacity that it serves at first
    creation_per_s: float = 20.0  # pods the ReplicaSet controller makes or takes away: its client's default limit
    creation_burst: int = 30  # and so many at once after a rest, by the same limit: drilled with 600 pods
    queue_s: float = 10.0  # of work that waits in a pod at most: gunicorn's 1,000 connections are of this order
    timeout_s: float = 8.0  # after which a client has gone, and its request is served for nobody: the button's
    retry_s: float = 2.0  # until a failed request comes again
    slo_s: float = 0.25  # a request that waits longer, or is refused, violates: the drill's aim for its p99
    target_utilization: float = 0.7  # what HPA and the ideal are given too: it is the default of KPA
    hpa_lag_s: float = 27.0  # age of what the HPA sees, the average; 55 is the worst
    seed: int = 1  # of the noise: arrivals are Poisson
