"""Model a Deployment: its controller creates and deletes pods at a limited rate, and new pods start and warm up."""

from dataclasses import dataclass, field

from autoscaler.simulator.model.cluster_model import ClusterModel

_LONG_AGO = -1e9


@dataclass(slots=True)
class Cohort:
    """Pods that became ready, or will become ready, at the same time."""

    ready_at: float
    pods: int


@dataclass(slots=True)
class Deployment:
    """The desired number of `replicas`, and the cohorts of existing pods, oldest first."""

    cluster: ClusterModel
    replicas: int
    cohorts: list[Cohort] = field(default_factory=list)
    # Pods that the controller may create or delete now.
    _budget: float = 0.0

    def __post_init__(self) -> None:
        self._budget = self.cluster.creation_burst
        self.cohorts.append(Cohort(_LONG_AGO, self.replicas))

    @property
    def existing(self) -> int:
        """Return the number of existing pods, ready or not. All of them cost."""
        return sum(cohort.pods for cohort in self.cohorts)

    def scale(self, replicas: int) -> None:
        """Set the desired number of pods."""
        self.replicas = replicas

    def advance(self, now: float, passed_s: float) -> None:
        """Create missing pods, or delete surplus ones, as many as the controller can in the time that has passed."""
        missing = self.replicas - self.existing
        budget = self._budget + self.cluster.creation_per_s * passed_s
        pods = min(abs(missing), int(budget))
        self._budget = min(self.cluster.creation_burst, budget - pods)
        if pods and missing > 0:
            self.cohorts.append(Cohort(now + self.cluster.pod_startup_s, pods))
        elif pods:
            self._delete(pods)

    def _delete(self, surplus: int) -> None:
        """Delete the newest pods first, as the controller prefers unready and then young pods."""
        while surplus > 0:
            newest = self.cohorts[-1]
            deleted = min(surplus, newest.pods)
            newest.pods -= deleted
            surplus -= deleted
            if newest.pods == 0 and len(self.cohorts) > 1:
                self.cohorts.pop()

    def ready_pods(self, now: float, for_s: float = 0.0) -> int:
        """Return the number of pods that have been ready for at least `for_s`."""
        return sum(cohort.pods for cohort in self.cohorts if cohort.ready_at + for_s <= now)

    def capacity(self, now: float) -> float:
        """Return the requests/s that the ready pods can serve."""
        cluster = self.cluster
        return cluster.pod_capacity * sum(
            cohort.pods * self._speed(now - cohort.ready_at) for cohort in self.cohorts if cohort.ready_at <= now
        )

    def is_stable(self, now: float) -> bool:
        """Return whether all desired pods exist and are warm."""
        newest = self.cohorts[-1].ready_at
        return self.existing == self.replicas and newest + self.cluster.warmup_s <= now

    def merge_old(self, now: float, age_s: float) -> None:
        """Merge all pods older than `age_s` into one cohort, as no policy distinguishes them."""
        while len(self.cohorts) > 1 and self.cohorts[1].ready_at + age_s < now:
            young = self.cohorts.pop(1)
            self.cohorts[0].pods += young.pods

    def _speed(self, age_s: float) -> float:
        """Return the share of its capacity that a pod serves."""
        cluster = self.cluster
        if age_s >= cluster.warmup_s:
            return 1.0
        return cluster.cold_share + (1 - cluster.cold_share) * age_s / cluster.warmup_s
