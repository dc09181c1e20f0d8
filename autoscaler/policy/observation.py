"""Define the inputs of a decision. All times are in seconds on the clock of `now`. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodSample:
    """A pod's report on the second that ended at `at`. Rates are in requests/s.

    `arrivals` reached the pod and `accepted` were served. `busy` is the share of the second in which the pod worked.
    `queue` requests wait in the pod, and `in_flight` are being served. `ready_s` is how long the pod has been ready.
    `pods` is the number of identical pods that the sample stands for. The simulator groups pods; a real sample is of
    one pod.
    """

    pod: str
    at: float
    arrivals: float
    accepted: float
    busy: float
    queue: float
    in_flight: float
    ready_s: float
    pods: int = 1


@dataclass(frozen=True, slots=True)
class PostRate:
    """The request rate of one of the hottest posts over all pods, in requests/s."""

    post: str
    rate: float


@dataclass(frozen=True, slots=True)
class Prewarm:
    """A number of pods that a person requested until a time."""

    replicas: int
    until: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The API pods at one moment. A value of None means that it is not known.

    `replicas` is the Deployment's desired number. `expected` pods have been ready for longer than `stale_s`, so a
    report of each is due. `min_replicas` is the HPA's `minReplicas`, None without an HPA. `pod_startup_s` is the
    measured time from a pod's creation to its readiness. `pending` likes are not in Postgres yet.
    """

    replicas: int
    expected: int
    pods: tuple[PodSample, ...]
    min_replicas: int | None = None
    posts: tuple[PostRate, ...] = ()
    pod_startup_s: float | None = None
    pending: float | None = None
    prewarm: Prewarm | None = None

    @property
    def current(self) -> int:
        """Return the number that the last decision set: with an HPA its `minReplicas`, as the HPA may ask for more."""
        return self.replicas if self.min_replicas is None else self.min_replicas


@dataclass(frozen=True, slots=True)
class FlusherObservation:
    """The flushers at one moment, as they reported at `at`.

    `replicas` is the Deployment's desired number, and `ready` of them run. `pending` likes are not in Postgres yet, the
    oldest of them for `age_s`. All flushers together store `stored_per_s` likes/s.
    """

    replicas: int
    ready: int
    at: float | None
    pending: float = 0.0
    age_s: float = 0.0
    stored_per_s: float = 0.0
