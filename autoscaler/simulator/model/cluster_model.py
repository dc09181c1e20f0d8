"""Define the constants of the simulated cluster, each with its unit and its source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """The behavior of the pods, the clients and the cluster. Times are in s, rates in requests/s."""

    # Rate of a busy pod: 600 such pods serve the viral post of the examples.
    pod_capacity: float = 30.0
    min_replicas: int = 2
    max_replicas: int = 600
    # Time from a pod's creation to its readiness. It was measured in a cluster with the image on the node.
    pod_startup_s: float = 3.0
    # Time until a ready pod serves at its full capacity, and the share of it that the pod serves at first.
    warmup_s: float = 5.0
    cold_share: float = 0.5
    # Pods that the ReplicaSet controller creates or deletes per second, and the burst that it may add after a rest.
    # Both are the default limits of its client. They were confirmed on a cluster with 600 pods.
    creation_per_s: float = 20.0
    creation_burst: int = 30
    # Longest queue of a pod in seconds of work. gunicorn's 1,000 connections are of this order.
    max_queue_s: float = 10.0
    # Time after which a client gives up, as the like button does. A pod still serves its request afterwards.
    timeout_s: float = 8.0
    retry_delay_s: float = 2.0
    # Longest acceptable wait of a request: the load test's target for its p99. A refused request also violates it.
    slo_s: float = 0.25
    # Target of the HPA and of the ideal policy: the KPA's default.
    target_utilization: float = 0.7
    # Average age of the metrics that the HPA uses. The worst case is 55 s.
    hpa_lag_s: float = 27.0
    # Seed of the noise. Arrivals are a Poisson process.
    seed: int = 1
