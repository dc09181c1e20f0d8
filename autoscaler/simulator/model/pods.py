"""The Deployment: pods are made and taken away at the controller's rate, start, warm up; the newest go first."""

from dataclasses import dataclass, field

from autoscaler.simulator.model.world import World

_LONG_AGO = -1e9


@dataclass(slots=True)
class Cohort:
    """Pods that became, or become, ready at one time."""

    ready_at: float
    pods: int


@dataclass(slots=True)
class Deployment:
    """`asked` replicas; `cohorts` of pods that exist, oldest first."""

    world: World
    asked: int
    cohorts: list[Cohort] = field(default_factory=list)
    _may: float = 0.0  # pods the controller may make or take away now

    def __post_init__(self) -> None:
        self._may = self.world.creation_burst
        self.cohorts.append(Cohort(_LONG_AGO, self.asked))

    @property
    def existing(self) -> int:
        """Pods that exist, ready or not: these cost."""
        return sum(cohort.pods for cohort in self.cohorts)

    def ask(self, replicas: int) -> None:
        """So many from now on."""
        self.asked = replicas

    def advance(self, now: float, passed_s: float) -> None:
        """Make what is missing, or take away what is too much, as far as the controller can in the time that passed."""
        missing = self.asked - self.existing
        may = self._may + self.world.creation_per_s * passed_s
        pods = min(abs(missing), int(may))
        self._may = min(self.world.creation_burst, may - pods)
        if pods and missing > 0:
            self.cohorts.append(Cohort(now + self.world.start_s, pods))
        elif pods:
            self._take(pods)

    def _take(self, surplus: int) -> None:
        """The newest go first: the controller takes the unready, then the young."""
        while surplus > 0:
            newest = self.cohorts[-1]
            gone = min(surplus, newest.pods)
            newest.pods -= gone
            surplus -= gone
            if newest.pods == 0 and len(self.cohorts) > 1:
                self.cohorts.pop()

    def ready(self, now: float, for_s: float = 0.0) -> int:
        """Pods that have been ready for so long."""
        return sum(cohort.pods for cohort in self.cohorts if cohort.ready_at + for_s <= now)

    def capacity(self, now: float) -> float:
        """Requests/s that the ready pods serve."""
        world = self.world
        return world.capacity * sum(
            cohort.pods * self._warmth(now - cohort.ready_at) for cohort in self.cohorts if cohort.ready_at <= now
        )

    def settled(self, now: float) -> bool:
        """Whether all that is asked for is there and warm."""
        newest = self.cohorts[-1].ready_at
        return self.existing == self.asked and newest + self.world.warmup_s <= now

    def merge(self, now: float, age_s: float) -> None:
        """Pods older than `age_s` are all alike to everyone: one cohort."""
        while len(self.cohorts) > 1 and self.cohorts[1].ready_at + age_s < now:
            young = self.cohorts.pop(1)
            self.cohorts[0].pods += young.pods

    def _warmth(self, age_s: float) -> float:
        world = self.world
        if age_s >= world.warmup_s:
            return 1.0
        return world.cold_share + (1 - world.cold_share) * age_s / world.warmup_s
