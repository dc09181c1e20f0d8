"""Our own policy in the simulator: fed with what the pods would have measured, never with the demand."""

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.pods import Cohort, Deployment
from autoscaler.simulator.model.traffic import Measure
from autoscaler.simulator.model.world import World
from autoscaler.simulator.policies.hpa import DOWN_WINDOW_S, Hpa

_QUICK_WINDOW_S = 30.0
_BACKSTOP_TARGET = 0.8  # of a pod's capacity, above what is kept: it sees late, and is to add nothing for what is met


class Likewise:
    """Alone: it scales the Deployment itself."""

    name = "likewise"
    interval_s = 1.0

    def __init__(self, world: World, tuning: Tuning) -> None:
        self._world = world
        self._tuning = tuning
        self._state = State(started_at=-tuning.restart_stabilization_s)  # it has been running for a while
        self._seen: Measure | None = None
        self._before: Measure | None = None

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """A pod tells of a second when it is over, and is heard at the next look."""
        self._before, self._seen = self._seen, measure

    def ask(self, now: float, deployment: Deployment) -> int:
        """Replicas at a look."""
        return self._decide(now, deployment, None)

    def _decide(self, now: float, deployment: Deployment, floor: int | None) -> int:
        decision = decide(self._state, self._observed(now, deployment, floor), now, self._tuning)
        self._state = decision.state
        return decision.replicas

    def _observed(self, now: float, deployment: Deployment, floor: int | None) -> Observation:
        told = self._told()
        heard = [cohort for cohort in deployment.cohorts if cohort.ready_at <= now - self.interval_s]
        return Observation(
            replicas=deployment.asked,
            expected=deployment.ready(now, self._tuning.stale_s),
            pods=self._samples(told, heard, now) if told else (),
            min_replicas=floor,
            posts=(PostRate("viral", told.post),) if told and told.post > 0 else (),
            pod_startup_s=self._world.start_s,  # the pods that run were timed when they started
        )

    def _told(self) -> Measure | None:
        """The second before the last one; while all is calm a longer time is told of at its end."""
        seen = self._seen
        return self._before if seen and self._before and seen.end - seen.start <= self.interval_s else seen

    def _samples(self, told: Measure, heard: list[Cohort], now: float) -> tuple[PodSample, ...]:
        """Pods that are ready share evenly what there is; those alike make one sample."""
        pods = max(1, sum(cohort.pods for cohort in heard))
        return tuple(
            PodSample(
                "simulated", told.end, told.arrivals / pods, told.served / pods, told.utilization, told.queue / pods,
                told.served / pods / self._world.capacity, now - cohort.ready_at, cohort.pods,
            )
            for cohort in heard
            if cohort.pods
        )  # fmt: skip


class LikewiseWithHpa(Likewise):
    """Beside an HPA: its floor is raised and what is missing asked for at once; the way down is the HPA's."""

    name = "likewise+hpa"

    def __init__(
        self, world: World, tuning: Tuning, down_window_s: float = DOWN_WINDOW_S, target: float | None = None
    ) -> None:
        super().__init__(world, tuning)
        self._hpa = Hpa(world, down_window_s, target)
        self._next_sync = 0.0

    def see(self, measure: Measure, deployment: Deployment) -> None:
        """Both see."""
        super().see(measure, deployment)
        self._hpa.see(measure, deployment)

    def ask(self, now: float, deployment: Deployment) -> int:
        """The floor at each look, the HPA's own opinion at its syncs."""
        self._hpa.floor = self._decide(now, deployment, self._hpa.floor)
        asked = max(deployment.asked, self._hpa.floor)
        if now >= self._next_sync:
            self._next_sync = now + self._hpa.interval_s
            deployment.ask(asked)
            asked = self._hpa.ask(now, deployment)
        return asked


class LikewiseWithQuickHpa(LikewiseWithHpa):
    """Beside the chart's HPA: `stabilizationWindowSeconds: 30`, as long as the floor is held, and a higher target."""

    name = "likewise+hpa30"

    def __init__(self, world: World, tuning: Tuning) -> None:
        super().__init__(world, tuning, _QUICK_WINDOW_S, _BACKSTOP_TARGET)
