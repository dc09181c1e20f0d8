"""What is seen at one moment. Times are seconds of one clock, the one `now` is of. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodSample:
    """What a pod said of its last second, at `at`. Rates are requests/s.

    `busy` is a share of 1; `queue` requests wait in it, `in_flight` are being served; `ready_s` is how long it has been
    ready. `pods` stands for so many that are alike: the simulator groups them, a real pod is one.
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
    """How often one of the hottest posts is asked for, over all pods, in requests/s."""

    post: str
    rate: float


@dataclass(frozen=True, slots=True)
class Prewarm:
    """Pods that a person asked for until a time."""

    replicas: int
    until: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The API pods as they are seen now.

    `replicas` is what the Deployment is asked for. `floor` is the HPA's `minReplicas`, None without an HPA. `expected`
    pods have been ready for longer than `stale_s`, so they must have spoken. `lead_s` is the measured time from a pod's
    creation to its readiness. `pending` likes are not in Postgres yet. None: not known.
    """

    replicas: int
    expected: int
    pods: tuple[PodSample, ...]
    floor: int | None = None
    posts: tuple[PostRate, ...] = ()
    lead_s: float | None = None
    pending: float | None = None
    prewarm: Prewarm | None = None

    @property
    def current(self) -> int:
        """What was last asked for: with an HPA its floor, as the HPA itself may be above it."""
        return self.replicas if self.floor is None else self.floor


@dataclass(frozen=True, slots=True)
class FlusherObservation:
    """The flushers as they are seen now, at `at`: likes pending, the oldest's age, likes/s settled by all of them.

    `replicas` is what the Deployment is asked for, `ready` of them run.
    """

    replicas: int
    ready: int
    at: float | None
    pending: float = 0.0
    age_s: float = 0.0
    settled: float = 0.0
