"""Run Likewise's own policy in the simulator. Its input is what pods would measure, never the true demand."""

from autoscaler.policy.decision import State
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.policy import decide
from autoscaler.policy.tuning import Tuning
from autoscaler.simulator.model.cluster_model import ClusterModel
from autoscaler.simulator.model.deployment import Cohort, Deployment
from autoscaler.simulator.model.traffic import Measurement
from autoscaler.simulator.policies.hpa import DOWN_WINDOW_S, Hpa

# Stabilization window and target of the chart's HPA. The target is above Likewise's own, so that the HPA, which reacts
# late, adds no pods for load that is already handled.
_CHART_WINDOW_S = 30.0
_CHART_TARGET = 0.8


class Likewise:
    """Likewise without an HPA: it scales the Deployment itself."""

    name = "likewise"
    interval_s = 1.0

    def __init__(self, cluster: ClusterModel, tuning: Tuning) -> None:
        self._cluster = cluster
        self._tuning = tuning
        # It has been running for longer than the time after a start without a scale-down.
        self._state = State(started_at=-tuning.restart_stabilization_s)
        self._newest: Measurement | None = None
        self._before: Measurement | None = None

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Remember the last two measurements."""
        self._before, self._newest = self._newest, measurement

    def decide(self, now: float, deployment: Deployment) -> int:
        """Return the replicas of a decision."""
        return self._replicas(now, deployment, None)

    def _replicas(self, now: float, deployment: Deployment, min_replicas: int | None) -> int:
        decision = decide(self._state, self._observation(now, deployment, min_replicas), now, self._tuning)
        self._state = decision.state
        return decision.replicas

    def _observation(self, now: float, deployment: Deployment, min_replicas: int | None) -> Observation:
        reported = self._reported()
        cohorts = [cohort for cohort in deployment.cohorts if cohort.ready_at <= now - self.interval_s]
        return Observation(
            replicas=deployment.replicas,
            expected=deployment.ready_pods(now, self._tuning.stale_s),
            pods=self._samples(reported, cohorts, now) if reported else (),
            min_replicas=min_replicas,
            posts=(PostRate("viral", reported.post),) if reported and reported.post > 0 else (),
            pod_startup_s=self._cluster.pod_startup_s,
        )

    def _reported(self) -> Measurement | None:
        """Return the second before the last one, as a report arrives one decision late. A longer step has no delay."""
        newest, before = self._newest, self._before
        return before if newest and before and newest.end - newest.start <= self.interval_s else newest

    def _samples(self, reported: Measurement, cohorts: list[Cohort], now: float) -> tuple[PodSample, ...]:
        """Return one sample for each cohort. All ready pods have an equal share of the load."""
        pods = max(1, sum(cohort.pods for cohort in cohorts))
        return tuple(
            PodSample(
                "simulated", reported.end, reported.arrivals / pods, reported.served / pods, reported.utilization,
                reported.queue / pods, reported.served / pods / self._cluster.pod_capacity, now - cohort.ready_at,
                cohort.pods,
            )
            for cohort in cohorts
            if cohort.pods
        )  # fmt: skip


class LikewiseWithHpa(Likewise):
    """Likewise with a default HPA.

    It raises the HPA's minimum and scales the Deployment up at once. The HPA scales down.
    """

    name = "likewise+hpa"

    def __init__(
        self, cluster: ClusterModel, tuning: Tuning, down_window_s: float = DOWN_WINDOW_S, target: float | None = None
    ) -> None:
        super().__init__(cluster, tuning)
        self._hpa = Hpa(cluster, down_window_s, target)
        self._next_sync = 0.0

    def observe(self, measurement: Measurement, deployment: Deployment) -> None:
        """Pass the measurement to both autoscalers."""
        super().observe(measurement, deployment)
        self._hpa.observe(measurement, deployment)

    def decide(self, now: float, deployment: Deployment) -> int:
        """Set the HPA's minimum at each decision, and return the HPA's replicas at its syncs."""
        self._hpa.min_replicas = self._replicas(now, deployment, self._hpa.min_replicas)
        replicas = max(deployment.replicas, self._hpa.min_replicas)
        if now >= self._next_sync:
            self._next_sync = now + self._hpa.interval_s
            deployment.scale(replicas)
            replicas = self._hpa.decide(now, deployment)
        return replicas


class LikewiseWithChartHpa(LikewiseWithHpa):
    """Likewise with the chart's HPA: a stabilization window of 30 s, as long as Likewise's own, and a higher target."""

    name = "likewise+hpa30"

    def __init__(self, cluster: ClusterModel, tuning: Tuning) -> None:
        super().__init__(cluster, tuning, _CHART_WINDOW_S, _CHART_TARGET)
